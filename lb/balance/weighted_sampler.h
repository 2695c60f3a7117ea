// Draws among candidates at random, each as often as its weight says. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lb/balance/candidates.h"
#include "lb/util/random.h"

namespace lb::balance {

class WeightedSampler {
 public:
  void assign(std::span<const Candidate> candidates) {
    candidates_.assign(candidates.begin(), candidates.end());
    ends_.clear();
    uint64_t total = 0;
    for (const Candidate& candidate : candidates_) ends_.push_back(total += candidate.weight);
  }

  // One of those that `is_admitted(candidate)`, by weight among these, or null.
  template <typename Predicate>
  const Candidate* draw(util::Random& random, Predicate is_admitted) const {
    if (candidates_.empty()) return nullptr;
    // Who was not admitted is drawn again: that leaves the others their shares. When most are not,
    // it is quicker to look at all of them.
    for (int i = 0; i < kDraws; ++i) {
      const Candidate& drawn = candidates_[place_of(random.below(ends_.back()))];
      if (is_admitted(drawn)) return &drawn;
    }
    return draw_among(random, is_admitted);
  }

  const std::vector<Candidate>& candidates() const { return candidates_; }

 private:
  static constexpr int kDraws = 4;

  size_t place_of(uint64_t point) const {
    return static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), point) - ends_.begin());
  }

  template <typename Predicate>
  const Candidate* draw_among(util::Random& random, Predicate is_admitted) const {
    uint64_t total = 0;
    for (const Candidate& candidate : candidates_) {
      if (is_admitted(candidate)) total += candidate.weight;
    }
    if (total == 0) return nullptr;
    uint64_t point = random.below(total);
    for (const Candidate& candidate : candidates_) {
      if (!is_admitted(candidate)) continue;
      if (point < candidate.weight) return &candidate;
      point -= candidate.weight;
    }
    return nullptr;
  }

  std::vector<Candidate> candidates_;
  std::vector<uint64_t> ends_;  // sums of the weights up to each candidate
};

}  // namespace lb::balance
