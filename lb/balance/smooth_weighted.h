// Smooth weighted round robin, the pure core: every run of (sum of weights) picks contains each
// index exactly as often as its weight says, spread as evenly as can be. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "lb/util/cache_line.h"

namespace lb::balance {

class SmoothWeighted {
 public:
  static constexpr size_t kNone = std::numeric_limits<size_t>::max();

  // Weights of 0 are never picked. Begins after `start` picks, so that orders of one list begin at
  // different places.
  SmoothWeighted(const std::vector<uint32_t>& weights, uint64_t start);

  // The next index among those that `is_eligible(index)` admits, or kNone.
  template <typename Predicate>
  size_t pick(Predicate is_eligible) {
    size_t best = kNone;
    int64_t most = std::numeric_limits<int64_t>::min();
    int64_t total_weight = 0;
    for (size_t i = 0; i < entries_.size(); ++i) {
      Entry& entry = entries_[i];
      if (entry.weight == 0 || !is_eligible(i)) continue;
      entry.credit += entry.weight;
      total_weight += entry.weight;
      if (entry.credit <= most) continue;
      best = i;
      most = entry.credit;
    }
    if (best != kNone) entries_[best].credit -= total_weight;
    return best;
  }

 private:
  struct Entry {
    int64_t weight;
    int64_t credit = 0;
  };

  // Each worker has its own, and the control thread makes them side by side.
  std::vector<Entry, util::CacheLineAllocator<Entry>> entries_;
};

}  // namespace lb::balance
