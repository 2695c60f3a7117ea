#include "lb/balance/round_robin.h"

#include <algorithm>

namespace lb::balance {
namespace {

// What is skipped costs a look at all candidates each.
constexpr uint64_t kStarts = 16;

bool is_same(std::span<const Candidate> a, std::span<const Candidate> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Candidate& left, const Candidate& right) {
                      return left.index == right.index && left.weight == right.weight;
                    });
}

}  // namespace

void RoundRobin::set_candidates(std::span<const Candidate> candidates) {
  if (is_same(candidates_, candidates)) return;
  candidates_.assign(candidates.begin(), candidates.end());
  take_order();
  other_order_.reset();
}

void RoundRobin::take_order() {
  order_->assign(candidates_);
  revision_ = order_->revision();
}

uint32_t RoundRobin::pick(const Exclusion& excluded, const net::Address* /*client*/) {
  if (candidates_.empty()) return kNoEndpoint;
  if (!excluded.is_empty()) return pick_other(excluded);
  // The one before or after a reload has had it meanwhile.
  if (order_->revision() != revision_) take_order();
  return order_->pick();
}

uint32_t RoundRobin::pick_other(const Exclusion& excluded) {
  if (!other_order_) {
    std::vector<uint32_t> weights;
    weights.reserve(candidates_.size());
    for (const Candidate& candidate : candidates_) weights.push_back(candidate.weight);
    other_order_.emplace(weights, start_ % kStarts);
  }
  const size_t picked =
      other_order_->pick([&](size_t i) { return !excluded.contains(candidates_[i].index); });
  return picked == SmoothWeighted::kNone ? kNoEndpoint : candidates_[picked].index;
}

}  // namespace lb::balance
