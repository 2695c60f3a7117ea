#include "lb/balance/smooth_weighted.h"

#include "lb/balance/smooth_start.h"

namespace lb::balance {

SmoothWeighted::SmoothWeighted(const std::vector<uint32_t>& weights, uint64_t start) {
  const std::vector<int64_t> wide(weights.begin(), weights.end());
  const std::vector<int64_t> credits = credits_after(start, wide);
  entries_.reserve(wide.size());
  for (size_t i = 0; i < wide.size(); ++i) entries_.push_back({wide[i], credits[i]});
}

}  // namespace lb::balance
