// Medians and their ratios over interleaved rounds.
#pragma once

#include <vector>

namespace lb::bench {

// The middle value, or the mean of the two in the middle; 0 when empty.
double median(std::vector<double> values);

struct Ratio {
  double value = 0;   // of the medians; 0 when there is none
  double lowest = 0;  // of the rounds' own ratios
  double highest = 0;
};

// `values[i]` and `base[i]` are of the same round, so that what slows the machine down for a while
// slows both. Where one of them has no value (0), the round is left out of the spread.
Ratio ratio_of(const std::vector<double>& values, const std::vector<double>& base);

}  // namespace lb::bench
