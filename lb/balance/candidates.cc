#include "lb/balance/candidates.h"

#include <algorithm>
#include <map>

namespace lb::balance {
namespace {

// A weight that grows begins here, so that a new endpoint gets something and shows what it can do.
constexpr double kLeastShare = 0.1;

// How finely weights grow. They are whole numbers, for an order that is exact.
constexpr uint32_t kGrowthSteps = 1'000;

// Those of one priority that take part, up or not.
struct Members {
  std::vector<Candidate> all;
  size_t up_count = 0;
};

// The part of its weight that an endpoint has at this time, up to 1.
double share_of(const Endpoint& endpoint, int64_t slow_start_ms, util::MonoTimeMs now_ms) {
  const std::optional<util::MonoTimeMs> since_ms = endpoint.up_since_ms();
  if (slow_start_ms <= 0 || !since_ms || !endpoint.is_up()) return 1;
  const auto age_ms = static_cast<double>(std::max<int64_t>(now_ms - *since_ms, 0));
  const double grown = age_ms / static_cast<double>(slow_start_ms);
  return std::min(kLeastShare + (1 - kLeastShare) * grown, 1.0);
}

// By priority.
std::map<uint32_t, Members> members_of(std::span<const WeightedEndpoint> endpoints) {
  std::map<uint32_t, Members> tiers;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    if (!endpoints[i].takes_part()) continue;
    const Endpoint* const endpoint = endpoints[i].endpoint.get();
    Members& members = tiers[endpoints[i].priority];
    members.all.push_back({static_cast<uint32_t>(i), endpoints[i].full_weight(), endpoint});
    if (endpoint->is_up()) ++members.up_count;
  }
  return tiers;
}

// Weights are counted in steps for as long as one of them grows.
void grow(Candidates& candidates, int64_t slow_start_ms, util::MonoTimeMs now_ms) {
  const auto is_young = [&](const Candidate& candidate) {
    return share_of(*candidate.endpoint, slow_start_ms, now_ms) < 1;
  };
  for (const Tier& tier : candidates.tiers) {
    candidates.is_growing |= std::any_of(tier.candidates.begin(), tier.candidates.end(), is_young);
  }
  if (!candidates.is_growing) return;
  for (Tier& tier : candidates.tiers) {
    for (Candidate& candidate : tier.candidates) {
      const double share = share_of(*candidate.endpoint, slow_start_ms, now_ms);
      candidate.weight *= static_cast<uint32_t>(share * kGrowthSteps);
    }
  }
}

}  // namespace

Candidates derive_candidates(std::span<const WeightedEndpoint> endpoints,
                             const CandidatePolicy& policy, util::MonoTimeMs now_ms) {
  std::map<uint32_t, Members> members = members_of(endpoints);
  const bool is_any_up = std::any_of(members.begin(), members.end(),
                                     [](const auto& tier) { return tier.second.up_count > 0; });
  Candidates result;
  for (auto& [priority, tier] : members) {
    if (is_any_up ? tier.up_count == 0 : policy.panic_threshold_percent == 0) continue;
    const bool is_panic =
        tier.up_count * 100 < uint64_t{policy.panic_threshold_percent} * tier.all.size();
    if (!is_panic) {
      std::erase_if(tier.all,
                    [](const Candidate& candidate) { return !candidate.endpoint->is_up(); });
    }
    result.tiers.push_back({priority, std::move(tier.all)});
  }
  if (policy.slow_start_ms > 0) grow(result, policy.slow_start_ms, now_ms);
  return result;
}

double effective_weight(const WeightedEndpoint& entry, int64_t slow_start_ms,
                        util::MonoTimeMs now_ms) {
  return entry.full_weight() * share_of(*entry.endpoint, slow_start_ms, now_ms);
}

}  // namespace lb::balance
