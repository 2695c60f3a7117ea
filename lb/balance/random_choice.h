// At random, by weight.
#pragma once

#include "lb/balance/load_balancer.h"
#include "lb/balance/weighted_sampler.h"
#include "lb/util/random.h"

namespace lb::balance {

class RandomChoice final : public LoadBalancer {
 public:
  explicit RandomChoice(uint64_t seed) : random_(seed) {}

  void set_candidates(std::span<const Candidate> candidates) override;
  uint32_t pick(const Exclusion& excluded, const net::Address* client) override;

 private:
  util::Random random_;
  WeightedSampler sampler_;
};

}  // namespace lb::balance
