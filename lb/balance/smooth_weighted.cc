#include "lb/balance/smooth_weighted.h"

#include <numeric>

namespace lb::balance {

SmoothWeighted::SmoothWeighted(const std::vector<uint32_t>& weights, uint64_t start) {
  entries_.reserve(weights.size());
  uint64_t common_divisor = 0;
  uint64_t total_weight = 0;
  for (const uint32_t weight : weights) {
    entries_.push_back({weight});
    common_divisor = std::gcd(common_divisor, weight);
    total_weight += weight;
  }
  if (total_weight == 0) return;
  // The sequence repeats after this many picks, and a start further away than a few rounds of the
  // list tells workers apart no better.
  const uint64_t period = total_weight / common_divisor;
  const uint64_t skipped = start % period % (4 * weights.size());
  for (uint64_t i = 0; i < skipped; ++i) pick([](size_t) { return true; });
}

}  // namespace lb::balance
