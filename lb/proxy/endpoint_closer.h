// Ends the connections of endpoints that are down or gone from the configuration, where their
// service wants that (`onEndpointDown`, `onEndpointRemoved`): at once, or spread evenly, at random,
// over a time. A connection that is still connecting goes on to the next endpoint instead.
//
// The table's connections are looked through in slices of a turn, for all endpoints that have gone
// meanwhile together; a connection then knows when it is to end, and asks again at that time: an
// endpoint that has come back keeps those that are left. One worker's; one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "lb/balance/endpoint.h"
#include "lb/event/engine.h"
#include "lb/proxy/close_reason.h"
#include "lb/util/clock.h"
#include "lb/util/intrusive_list.h"
#include "lb/util/random.h"

namespace lb::proxy {

class Connection;
struct ConnectionTag;

class EndpointCloser {
 public:
  using Connections = util::IntrusiveList<Connection, ConnectionTag>;
  using EndpointPtr = std::shared_ptr<const balance::Endpoint>;

  // How many connections are looked at in a turn.
  static constexpr int kPerTurn = 256;

  // Both must outlive it. `seed` differs from worker to worker.
  EndpointCloser(event::Engine& engine, const Connections& connections, uint64_t seed);
  EndpointCloser(const EndpointCloser&) = delete;
  EndpointCloser& operator=(const EndpointCloser&) = delete;
  ~EndpointCloser();

  // Ends the connections to `endpoint` that are there now. A later call takes the place of an
  // earlier one.
  void begin(const EndpointPtr& endpoint, CloseReason reason, int64_t spread_ms);
  // Those that are left stay.
  void call_off(const balance::Endpoint& endpoint);

  // Why the connections to it are being ended; nothing when they are not.
  std::optional<CloseReason> reason_for(const balance::Endpoint* endpoint) const;
  // A connection has reached an endpoint, perhaps one that its own, older configuration alone still
  // knows: when it is to end, util::kNever in general.
  util::MonoTimeMs deadline_for_new(const balance::Endpoint* endpoint) const;

  // To be called before a connection leaves the list.
  void forget(const Connection& connection);

 private:
  enum class Phase { kWaiting, kLooking, kDone };

  struct Closing {
    std::weak_ptr<const balance::Endpoint> endpoint;
    CloseReason reason = CloseReason::kEndpointDown;
    util::MonoTimeMs end_ms = 0;
    Phase phase = Phase::kWaiting;
  };

  void begin_looking();
  void look_on();
  void end_looking();
  void look_at(Connection& connection);
  const Closing* find(const balance::Endpoint* endpoint) const;

  event::Engine& engine_;
  const Connections& connections_;
  util::Random random_;
  absl::flat_hash_map<const balance::Endpoint*, Closing> closings_;
  Connection* next_ = nullptr;  // to be looked at
  bool is_looking_ = false;
  event::Timer timer_;  // the next slice
};

}  // namespace lb::proxy
