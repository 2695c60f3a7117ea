#include "lb/balance/random_choice.h"

namespace lb::balance {

void RandomChoice::set_candidates(std::span<const Candidate> candidates) {
  sampler_.assign(candidates);
}

uint32_t RandomChoice::pick(const Exclusion& excluded, const net::Address* /*client*/) {
  const Candidate* const drawn = sampler_.draw(
      random_, [&](const Candidate& candidate) { return !excluded.contains(candidate.index); });
  return drawn == nullptr ? kNoEndpoint : drawn->index;
}

}  // namespace lb::balance
