// Two choices (Mitzenmacher, "The Power of Two Choices", 2001): two endpoints are drawn by weight,
// and the one with fewer connections for its weight is taken. Nearly as even as the fewest of all,
// and workers that draw at the same moment do not all run to the same endpoint.
#pragma once

#include "lb/balance/load_balancer.h"
#include "lb/balance/weighted_sampler.h"
#include "lb/util/random.h"

namespace lb::balance {

class LeastConnections final : public LoadBalancer {
 public:
  explicit LeastConnections(uint64_t seed) : random_(seed) {}

  void set_candidates(std::span<const Candidate> candidates) override;
  uint32_t pick(const Exclusion& excluded, const net::Address* client) override;

 private:
  util::Random random_;
  WeightedSampler sampler_;
};

}  // namespace lb::balance
