#include "bench/comparison.h"

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

std::vector<double> Series::values() const {
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(sample.value);
  return values;
}

const Series* Line::best(Role role) const {
  const Series* best = nullptr;
  for (const Series& candidate : series) {
    if (candidate.role != role || candidate.samples.empty()) continue;
    if (best == nullptr || candidate.median_value() < best->median_value()) best = &candidate;
  }
  return best;
}

}  // namespace lb::bench
