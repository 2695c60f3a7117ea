// From a listener to an endpoint: first the backendRef, by weight, dead ones included, so that they
// refuse their share (GEP-2644); then an endpoint inside its service. Each worker has its own,
// since choices have cursors. Made by the control thread and then used by one worker alone;
// connections hold on to the one they began with, so a reload changes nothing for them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "lb/balance/selection.h"
#include "lb/balance/smooth_weighted.h"
#include "lb/proxy/service_selection.h"
#include "lb/proxy/snapshot.h"
#include "lb/proxy/source_pool.h"
#include "lb/proxy/stats.h"

namespace lb::proxy {

class Router {
 public:
  // `start` differs from worker to worker, so that they do not all begin with the same backend.
  // `stats` is the worker's. Choices at random are those of `seed` and `start`, and cursors begin
  // at a place that both say: at one that is always the same, changes that come often would leave
  // the last ones nothing. What is as it was in `before`, the worker's router until now, goes on
  // with its cursors, which that one may use meanwhile.
  Router(std::shared_ptr<const Snapshot> snapshot, uint64_t start, WorkerStats& stats,
         uint64_t seed = 0, const Router* before = nullptr);

  // Makes the routers of all workers for one snapshot, in the order of the workers, known to each
  // other. Before any of them is used.
  static void introduce(const std::vector<std::shared_ptr<Router>>& routers);
  // The router of that worker for the same snapshot, to be used in its thread only; null once the
  // worker is done with it. Any thread.
  std::shared_ptr<Router> counterpart(size_t worker) const { return (*routers_)[worker].lock(); }

  const Snapshot& snapshot() const { return *snapshot_; }

  // Where a new connection of this listener goes: an index into Snapshot::services, or why it is
  // refused.
  struct Choice {
    std::optional<size_t> service;
    CloseReason refusal = CloseReason::kNoRoute;
  };
  Choice choose(size_t listener);

  // The next endpoint of a service to try, as an index into ServiceSnapshot::endpoints;
  // balance::kNoEndpoint when none is left.
  uint32_t pick(size_t service, const balance::PickContext& context) {
    return services_[service].selection->pick(context);
  }
  // Whether that depends on who the client is.
  bool asks_for_client(size_t service) const {
    return !snapshot_->services[service].hash_tiers.empty();
  }

  RelayStats& relay_stats() { return relay_; }
  ListenerStats& listener_stats(size_t listener) { return *listeners_[listener]; }
  ServiceStats& service_stats(size_t service) { return *services_[service].stats; }
  SourcePool& source_pool(size_t service) { return services_[service].sources; }
  // `source` is an index into the pool's addresses.
  SourceStats& source_stats(size_t service, uint16_t source) {
    return *services_[service].source_stats[source];
  }
  EndpointStats& endpoint_stats(size_t service, uint32_t endpoint) {
    return *services_[service].endpoints[endpoint];
  }

 private:
  using Cursor = std::shared_ptr<balance::SmoothWeighted>;

  struct Service {
    Turns turns;
    std::unique_ptr<balance::Selection> selection;
    std::shared_ptr<ServiceStats> stats;
    std::vector<std::shared_ptr<EndpointStats>> endpoints;
    SourcePool sources;
    std::vector<std::shared_ptr<SourceStats>> source_stats;  // as the pool's addresses
  };

  void add_routes(uint64_t start, uint64_t seed, const Router* before);
  void add_services(uint64_t start, uint64_t seed, const Router* before, WorkerStats& stats);

  std::shared_ptr<const Snapshot> snapshot_;
  RelayStats& relay_;
  std::shared_ptr<const std::vector<std::weak_ptr<Router>>> routers_;  // by worker
  std::vector<std::shared_ptr<ListenerStats>> listeners_;
  std::vector<Cursor> backends_;  // by route
  std::vector<Service> services_;
};

}  // namespace lb::proxy
