#include "lb/balance/smooth_start.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <numeric>

namespace lb::balance {
namespace {

__extension__ using Uint128 = unsigned __int128;

// Most looks at a weight that going there may take, but for one round of the list.
constexpr uint64_t kMaxLooks = 1 << 19;

// `value` * `of` / `total`, all of them up to 2^62.
uint64_t part_of(uint64_t value, uint64_t of, uint64_t total) {
  return static_cast<uint64_t>(static_cast<Uint128>(value) * of / total);
}

// As SmoothWeighted picks.
void pick(std::span<const int64_t> weights, int64_t total, std::vector<int64_t>& credits) {
  size_t best = weights.size();
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    credits[i] += weights[i];
    if (best == weights.size() || credits[i] > credits[best]) best = i;
  }
  credits[best] -= total;
}

std::vector<int64_t> credits_within(uint64_t picks, std::span<const int64_t> weights) {
  std::vector<int64_t> credits(weights.size());
  const int64_t total = std::accumulate(weights.begin(), weights.end(), int64_t{0});
  for (; picks > 0; --picks) pick(weights, total, credits);
  return credits;
}

}  // namespace

std::vector<int64_t> credits_after(uint64_t picks, std::span<const int64_t> weights) {
  const auto total = std::accumulate(weights.begin(), weights.end(), uint64_t{0});
  if (total == 0) return std::vector<int64_t>(weights.size());
  int64_t common_divisor = 0;
  for (const int64_t weight : weights) common_divisor = std::gcd(common_divisor, weight);
  const uint64_t period = total / static_cast<uint64_t>(common_divisor);
  picks %= period;
  const uint64_t most = kMaxLooks / weights.size();
  if (period <= most) return credits_within(picks, weights);
  // The same place in the order of weights that are smaller by so much, which is much the same.
  std::vector<int64_t> small;
  for (const int64_t weight : weights) {
    const uint64_t part = part_of(static_cast<uint64_t>(weight), most, total);
    small.push_back(weight == 0 ? 0 : std::max(static_cast<int64_t>(part), int64_t{1}));
  }
  const auto small_total = std::accumulate(small.begin(), small.end(), uint64_t{0});
  std::vector<int64_t> credits = credits_within(part_of(picks, small_total, period), small);
  for (int64_t& credit : credits) {
    const auto size = static_cast<uint64_t>(std::abs(credit));
    const auto grown = static_cast<int64_t>(part_of(size, total, small_total));
    credit = credit < 0 ? -grown : grown;
  }
  return credits;
}

}  // namespace lb::balance
