#include "bench/comparison.h"

#include <algorithm>
#include <cstddef>

namespace lb::bench {

const char* unit_of(Metric metric) {
  switch (metric) {
    case Metric::kCPUPerOperation:
      return "us CPU/op";
    case Metric::kCPUPerGB:
      return "s CPU/GB";
    case Metric::kLatency:
      return "us p99";
    case Metric::kBytesPerConnection:
      break;
  }
  return "bytes/conn";
}

bool Sample::is_better_than(const Sample& other) const {
  if (has_enough() != other.has_enough()) return has_enough();
  return has_enough() ? others_busy < other.others_busy : time_share > other.time_share;
}

bool Series::has_enough() const {
  const auto enough = std::count_if(samples.begin(), samples.end(),
                                    [](const Sample& sample) { return sample.has_enough(); });
  return 2 * enough > static_cast<std::ptrdiff_t>(samples.size());
}

std::vector<double> Series::values_of(double Sample::*which) const {
  std::vector<double> values;
  for (const Sample& sample : samples) {
    if (sample.time_share > 0) values.push_back(sample.*which);
  }
  return values;
}

std::vector<double> Series::values_by_round() const {
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(sample.time_share > 0 ? sample.value : 0);
  return values;
}

const Series* Line::best(Role role) const {
  const Series* best = nullptr;
  for (const Series& candidate : series) {
    if (candidate.role != role || candidate.values().empty()) continue;
    if (best == nullptr || candidate.median_value() < best->median_value()) best = &candidate;
  }
  return best;
}

}  // namespace lb::bench
