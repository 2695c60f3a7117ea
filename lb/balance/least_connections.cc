#include "lb/balance/least_connections.h"

namespace lb::balance {
namespace {

bool has_fewer(const Candidate& a, const Candidate& b) {
  return uint64_t{a.endpoint->active()} * b.weight < uint64_t{b.endpoint->active()} * a.weight;
}

}  // namespace

void LeastConnections::set_candidates(std::span<const Candidate> candidates) {
  sampler_.assign(candidates);
}

uint32_t LeastConnections::pick(const Exclusion& excluded, const net::Address* /*client*/) {
  const Candidate* const first = sampler_.draw(
      random_, [&](const Candidate& candidate) { return !excluded.contains(candidate.index); });
  if (first == nullptr) return kNoEndpoint;
  const Candidate* const second = sampler_.draw(random_, [&](const Candidate& candidate) {
    return &candidate != first && !excluded.contains(candidate.index);
  });
  // With as many on both the first one is taken: it was drawn by weight among all, so that shares
  // are right where there is no load to tell them apart.
  return second != nullptr && has_fewer(*second, *first) ? second->index : first->index;
}

}  // namespace lb::balance
