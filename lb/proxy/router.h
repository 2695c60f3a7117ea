// From a listener to an endpoint: first the backendRef, by weight, dead ones included, so that they
// refuse their share (GEP-2644); then an endpoint inside its service. Each worker has its own,
// since choices have cursors. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "lb/balance/load_balancer.h"
#include "lb/balance/smooth_weighted.h"
#include "lb/proxy/snapshot.h"

namespace lb::proxy {

class Router {
 public:
  // `start` differs from worker to worker, so that they do not all begin with the same backend.
  Router(std::shared_ptr<const Snapshot> snapshot, uint64_t start);

  const Snapshot& snapshot() const { return *snapshot_; }

  // Where a new connection goes: an index into Snapshot::services, or why it is refused.
  struct Choice {
    std::optional<size_t> service;
    CloseReason refusal = CloseReason::kNoRoute;
  };
  Choice choose(const ListenerSnapshot& listener);

  // The next endpoint of a service for a connection that has `tried` some already; null when none
  // is left.
  balance::Endpoint* pick(size_t service, std::span<balance::Endpoint* const> tried);

 private:
  std::shared_ptr<const Snapshot> snapshot_;
  std::vector<balance::SmoothWeighted> backends_;                  // by route
  std::vector<std::unique_ptr<balance::LoadBalancer>> balancers_;  // by service
};

}  // namespace lb::proxy
