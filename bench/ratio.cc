#include "bench/ratio.h"

#include <algorithm>
#include <cstddef>

namespace lb::bench {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

namespace {

std::vector<double> without_none(std::vector<double> values) {
  std::erase_if(values, [](double value) { return value <= 0; });
  return values;
}

}  // namespace

Ratio ratio_of(const std::vector<double>& values, const std::vector<double>& base) {
  Ratio ratio;
  const double divisor = median(without_none(base));
  const double dividend = median(without_none(values));
  if (dividend <= 0 || divisor <= 0) return ratio;
  ratio.value = dividend / divisor;
  ratio.lowest = ratio.value;
  ratio.highest = ratio.value;
  for (size_t i = 0; i < std::min(values.size(), base.size()); ++i) {
    if (values[i] <= 0 || base[i] <= 0) continue;
    ratio.lowest = std::min(ratio.lowest, values[i] / base[i]);
    ratio.highest = std::max(ratio.highest, values[i] / base[i]);
  }
  return ratio;
}

}  // namespace lb::bench
