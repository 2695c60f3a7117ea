// A Maglev table ("Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, 3.4):
// each slot belongs to an entry, every entry has its share of them by weight, and when an entry
// comes or goes, hardly a slot changes hands but those it gains or gives. Entries go by their names
// and not by their order, so that the same names, weights, size and seed give the same table in
// every process on every machine. Immutable; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace lb::balance {

struct MaglevEntry {
  std::string name;  // no two have the same
  uint32_t weight = 1;

  friend bool operator==(const MaglevEntry&, const MaglevEntry&) = default;
};

class Maglev {
 public:
  // `size` slots: a prime, or entries may be served in an order that is less their own; 1 at least.
  // Entries whose weight is 0 are left out. A table with fewer slots than entries has none for
  // some.
  Maglev(std::vector<MaglevEntry> entries, uint32_t size, uint64_t seed);

  // Sorted by name.
  const std::vector<MaglevEntry>& entries() const { return entries_; }
  uint64_t seed() const { return seed_; }

  // Empty when there are no entries.
  const std::vector<uint32_t>& slots() const { return slots_; }
  // The index of the entry that `hash`, uniform over 64 bits, belongs to. There must be one.
  uint32_t at(uint64_t hash) const {
    return slots_[static_cast<size_t>((static_cast<Uint128>(hash) * slots_.size()) >> 64)];
  }

  // Over names and slots: what tells two tables apart at a glance.
  uint32_t checksum() const { return checksum_; }

 private:
  __extension__ using Uint128 = unsigned __int128;

  std::vector<MaglevEntry> entries_;
  uint64_t seed_;
  std::vector<uint32_t> slots_;
  uint32_t checksum_ = 0;
};

}  // namespace lb::balance
