#include "lb/balance/selection.h"

#include <algorithm>
#include <limits>
#include <set>

namespace lb::balance {

Selection::Selection(std::span<const WeightedEndpoint> endpoints, const CandidatePolicy& policy,
                     const MakeBalancer& make_balancer)
    : endpoints_(endpoints),
      policy_(policy),
      excluded_(endpoints.size()),
      derive_ms_(std::numeric_limits<util::MonoTimeMs>::min()) {
  std::set<uint32_t> priorities;
  for (const WeightedEndpoint& entry : endpoints) priorities.insert(entry.priority);
  for (const uint32_t priority : priorities) {
    balancers_.push_back({priority, make_balancer(priority)});
  }
}

uint32_t Selection::pick(const PickContext& context) {
  if (endpoints_.empty()) return kNoEndpoint;
  if (epoch() != epoch_ || context.now_ms >= derive_ms_) derive(context.now_ms);
  excluded_.assign(context.excluded);
  for (LoadBalancer* const balancer : order_) {
    const uint32_t index = balancer->pick(excluded_, context.client);
    if (index != kNoEndpoint) return index;
  }
  return kNoEndpoint;
}

void Selection::derive(util::MonoTimeMs now_ms) {
  // First, so that a change in between is seen by the next pick.
  epoch_ = epoch();
  const Candidates candidates = derive_candidates(endpoints_, policy_, now_ms);
  derive_ms_ = candidates.is_growing ? now_ms + kGrowthMs : util::kNever;
  order_.clear();
  for (const Tier& tier : candidates.tiers) {
    const auto found =
        std::find_if(balancers_.begin(), balancers_.end(),
                     [&](const OfPriority& entry) { return entry.priority == tier.priority; });
    found->balancer->set_candidates(tier.candidates);
    order_.push_back(found->balancer.get());
  }
}

uint64_t Selection::epoch() const { return endpoints_.front().endpoint->service().epoch(); }

}  // namespace lb::balance
