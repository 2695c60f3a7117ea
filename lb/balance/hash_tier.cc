#include "lb/balance/hash_tier.h"

#include <map>
#include <string>
#include <utility>

namespace lb::balance {

std::vector<HashTier> make_hash_tiers(std::span<const WeightedEndpoint> endpoints,
                                      uint32_t table_size, uint64_t seed, MaglevTables& tables) {
  // Names are in the order of the table's entries.
  std::map<uint32_t, std::map<std::string, uint32_t>> indices_by_priority;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    std::map<std::string, uint32_t>& indices = indices_by_priority[endpoints[i].priority];
    if (endpoints[i].weight == 0) continue;
    indices.emplace(endpoints[i].endpoint->label(), static_cast<uint32_t>(i));
  }
  std::vector<HashTier> tiers;
  for (const auto& [priority, indices] : indices_by_priority) {
    HashTier tier;
    tier.priority = priority;
    std::vector<MaglevEntry> entries;
    for (const auto& [name, index] : indices) {
      entries.push_back({name, endpoints[index].weight});
      tier.endpoints.push_back(index);
    }
    tier.table = tables.find_or_make(std::move(entries), table_size, seed);
    tiers.push_back(std::move(tier));
  }
  return tiers;
}

}  // namespace lb::balance
