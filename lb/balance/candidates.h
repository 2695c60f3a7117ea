// Which endpoints of a service may be chosen now, with which weights and in which order of
// priority. Pure: from the configuration's list, what is known of the endpoints, and the time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lb/balance/endpoint.h"
#include "lb/balance/weighted_endpoint.h"
#include "lb/util/clock.h"

namespace lb::balance {

struct CandidatePolicy {
  uint32_t panic_threshold_percent = 0;  // fewer healthy in a tier than this: health is ignored
  int64_t slow_start_ms = 0;             // over which a new endpoint's weight grows; 0 = at once
};

struct Candidate {
  uint32_t index = 0;   // into the service's list
  uint32_t weight = 1;  // > 0; comparable with those of the same service only
  const Endpoint* endpoint = nullptr;
};

// Those of one priority.
struct Tier {
  uint32_t priority = 0;
  std::vector<Candidate> candidates;  // by index; at least 1
};

struct Candidates {
  std::vector<Tier> tiers;  // in the order of use
  // Some weight grows as time goes by.
  bool is_growing = false;
};

// Takes part: those that are ready and have weight, an operator's word before the file's; of these
// the ones that are up. A tier with fewer of them than `panic_threshold_percent` is used whole, for
// those left would drown. When nobody is up at all, there are no candidates without a threshold,
// and all with one; while one is up anywhere, tiers without any are passed over all the same.
Candidates derive_candidates(std::span<const WeightedEndpoint> endpoints,
                             const CandidatePolicy& policy, util::MonoTimeMs now_ms);

// What counts at this time: the override, else the configuration's, and what `slow_start_ms` leaves
// of it. Says nothing about readiness and health.
double effective_weight(const WeightedEndpoint& entry, int64_t slow_start_ms,
                        util::MonoTimeMs now_ms);

}  // namespace lb::balance
