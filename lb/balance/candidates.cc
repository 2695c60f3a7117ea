#include "lb/balance/candidates.h"

#include <algorithm>
#include <map>
#include <utility>

#include "lb/balance/availability.h"

namespace lb::balance {
namespace {

// A weight that grows begins here, so that a new endpoint gets something and shows what it can do.
constexpr double kLeastShare = 0.1;

// How finely weights grow. They are whole numbers, for an order that is exact.
constexpr uint32_t kGrowthSteps = 1'000;

// The part of its weight that an endpoint has at this time, up to 1.
double share_of(const Endpoint& endpoint, int64_t slow_start_ms, util::MonoTimeMs now_ms) {
  const std::optional<util::MonoTimeMs> since_ms = endpoint.up_since_ms();
  if (slow_start_ms <= 0 || !since_ms || !endpoint.is_up()) return 1;
  const auto age_ms = static_cast<double>(std::max<int64_t>(now_ms - *since_ms, 0));
  const double grown = age_ms / static_cast<double>(slow_start_ms);
  return std::min(kLeastShare + (1 - kLeastShare) * grown, 1.0);
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
  const Availability availability(endpoints, policy.panic_threshold_percent);
  std::map<uint32_t, std::vector<Candidate>> tiers;  // by priority
  for (size_t i = 0; i < endpoints.size(); ++i) {
    const WeightedEndpoint& entry = endpoints[i];
    if (!availability.admits(entry)) continue;
    tiers[entry.priority].push_back(
        {static_cast<uint32_t>(i), entry.full_weight(), entry.endpoint.get()});
  }
  Candidates result;
  for (auto& [priority, candidates] : tiers) {
    result.tiers.push_back({priority, std::move(candidates)});
  }
  if (policy.slow_start_ms > 0) grow(result, policy.slow_start_ms, now_ms);
  return result;
}

double effective_weight(const WeightedEndpoint& entry, int64_t slow_start_ms,
                        util::MonoTimeMs now_ms) {
  return entry.full_weight() * share_of(*entry.endpoint, slow_start_ms, now_ms);
}

}  // namespace lb::balance
