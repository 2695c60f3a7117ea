#include "lb/balance/availability.h"

#include <algorithm>

namespace lb::balance {

Availability::Availability(std::span<const WeightedEndpoint> endpoints,
                           uint32_t panic_threshold_percent) {
  // Nothing to count: those that are up, and nobody else.
  if (panic_threshold_percent == 0) return;
  bool is_any_up = false;
  for (const WeightedEndpoint& entry : endpoints) {
    if (!entry.takes_part()) continue;
    Tier& tier = tier_of(entry.priority);
    ++tier.size;
    if (!entry.endpoint->is_up()) continue;
    ++tier.up_count;
    is_any_up = true;
  }
  for (Tier& tier : tiers_) {
    const bool is_too_few = tier.up_count * 100 < uint64_t{panic_threshold_percent} * tier.size;
    tier.is_panic = is_too_few && (tier.up_count > 0 || !is_any_up);
  }
}

bool Availability::admits(const WeightedEndpoint& entry) const {
  if (!entry.takes_part()) return false;
  return entry.endpoint->is_up() || std::any_of(tiers_.begin(), tiers_.end(), [&](const Tier& t) {
           return t.priority == entry.priority && t.is_panic;
         });
}

Availability::Tier& Availability::tier_of(uint32_t priority) {
  const auto found = std::find_if(tiers_.begin(), tiers_.end(),
                                  [&](const Tier& tier) { return tier.priority == priority; });
  return found != tiers_.end() ? *found : tiers_.emplace_back(Tier{.priority = priority});
}

}  // namespace lb::balance
