#include "lb/balance/maglev_tables.h"

#include <algorithm>
#include <utility>

namespace lb::balance {
namespace {

std::string key_of(const std::vector<MaglevEntry>& entries, uint32_t size, uint64_t seed) {
  std::string key = std::to_string(size) + ' ' + std::to_string(seed);
  for (const MaglevEntry& entry : entries) {
    key += '\n' + std::to_string(entry.weight) + ' ' + entry.name;
  }
  return key;
}

}  // namespace

std::shared_ptr<const Maglev> MaglevTables::find_or_make(std::vector<MaglevEntry> entries,
                                                         uint32_t size, uint64_t seed) {
  std::sort(entries.begin(), entries.end(),
            [](const MaglevEntry& a, const MaglevEntry& b) { return a.name < b.name; });
  std::weak_ptr<const Maglev>& known = tables_[key_of(entries, size, seed)];
  std::shared_ptr<const Maglev> table = known.lock();
  if (table == nullptr) {
    table = std::make_shared<const Maglev>(std::move(entries), size, seed);
    known = table;
  }
  return table;
}

void MaglevTables::forget_gone() {
  absl::erase_if(tables_, [](const auto& entry) { return entry.second.expired(); });
}

}  // namespace lb::balance
