// How an endpoint of a service is chosen among candidates. One instance a worker, service and
// priority: an algorithm keeps its cursor without sharing it. One thread.
#pragma once

#include <cstdint>
#include <span>

#include "lb/balance/candidates.h"
#include "lb/balance/exclusion.h"
#include "lb/net/address.h"

namespace lb::balance {

// Nobody is left to choose.
inline constexpr uint32_t kNoEndpoint = UINT32_MAX;

class LoadBalancer {
 public:
  virtual ~LoadBalancer() = default;

  // Who may be chosen from now on; each time that this or a weight changes. Called before the first
  // pick.
  virtual void set_candidates(std::span<const Candidate> candidates) = 0;

  // The next endpoint, as an index into the service's list, or kNoEndpoint. `client` is null where
  // the algorithm does not ask for it.
  virtual uint32_t pick(const Exclusion& excluded, const net::Address* client) = 0;
};

}  // namespace lb::balance
