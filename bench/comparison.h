// What `compare` has measured, and who came out where. Lower is better in every metric.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/contenders.h"
#include "bench/ratio.h"

namespace lb::bench {

enum class Metric { kCPUPerOperation, kCPUPerGB, kLatency, kBytesPerConnection };
// "us/op" and the like.
const char* unit_of(Metric metric);

// Beyond this share of a core, others have had a say in the result.
inline constexpr double kQuietShare = 0.05;

// One run.
struct Sample {
  double value = 0;  // in the unit of the workload's metric
  double rate = 0;   // operations a second, or GB/s
  double p50_us = 0;
  double p99_us = 0;
  double proxy_busy = 0;  // share of its core
  double load_busy = 0;
  double others_busy = 0;  // share of the proxy's core that somebody else used
  uint64_t errors = 0;
};

struct Series {
  std::string contender;
  Role role = Role::kSluice;
  std::vector<Sample> samples;  // by round

  std::vector<double> values() const;
  double median_value() const { return median(values()); }
};

struct Line {
  std::string workload;
  Metric metric = Metric::kCPUPerOperation;
  std::vector<Series> series;

  // The lowest median of a role; null when nobody of it was measured.
  const Series* best(Role role) const;
};

struct Environment {
  std::string kernel;
  std::string cpu;
  std::string cpus_used;
  std::string command;
  std::vector<std::string> versions;
  std::vector<std::string> missing;
};

struct Comparison {
  Environment environment;
  std::vector<Line> lines;
};

}  // namespace lb::bench
