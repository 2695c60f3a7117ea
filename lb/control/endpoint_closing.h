// What becomes of the connections to endpoints that go down or leave the configuration: has the
// workers end them as the service says (`onEndpointDown`, `onEndpointRemoved`). Control thread.
#pragma once

#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lb/balance/endpoint.h"
#include "lb/config/service.h"
#include "lb/control/deployment.h"
#include "lb/health/health_board.h"
#include "lb/proxy/close_reason.h"
#include "lb/proxy/snapshot.h"

namespace lb::control {

class EndpointClosing {
 public:
  // Both must outlive it; the workers may come later.
  EndpointClosing(const Deployment::Workers& workers, health::HealthBoard& board);
  EndpointClosing(const EndpointClosing&) = delete;
  EndpointClosing& operator=(const EndpointClosing&) = delete;

  // These are the endpoints that the workers get next: those that are back keep the connections
  // that they are about to get, and whichever of them goes down is closed, also before follow().
  void prepare(const proxy::Snapshot& next);
  // All workers have gone over to these: the others are removed.
  void follow(const Deployed& deployed);

 private:
  using EndpointPtr = health::HealthBoard::EndpointPtr;

  struct Known {
    EndpointPtr endpoint;
    config::Closing on_down;
    config::Closing on_removed;
  };
  using KnownEndpoints = absl::flat_hash_map<const balance::Endpoint*, Known>;

  void on_change(const health::HealthChange& change);
  // Those that are in the file no more; the others of them stay known.
  std::vector<Known> take_removed(const Deployed& deployed, const KnownEndpoints& current);
  void begin(const EndpointPtr& endpoint, const config::Closing& how, proxy::CloseReason reason);
  void call_off(const EndpointPtr& endpoint);

  const Deployment::Workers& workers_;
  KnownEndpoints known_;  // also those that no route leads to at the time
  absl::flat_hash_map<EndpointPtr, proxy::CloseReason> closing_;
};

}  // namespace lb::control
