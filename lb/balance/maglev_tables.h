// The Maglev tables that something still uses. Who wants one of the same entries, size and seed
// gets the same object: making one takes milliseconds, and most configurations change none.
// Control thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lb/balance/maglev.h"

namespace lb::balance {

class MaglevTables {
 public:
  std::shared_ptr<const Maglev> find_or_make(std::vector<MaglevEntry> entries, uint32_t size,
                                             uint64_t seed);

  void forget_gone();

  size_t size() const { return tables_.size(); }

 private:
  // By all that a table depends on, written down.
  absl::flat_hash_map<std::string, std::weak_ptr<const Maglev>> tables_;
};

}  // namespace lb::balance
