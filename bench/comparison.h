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

// With less than this share of the time it needed, at the distance it needed, a run says little.
inline constexpr double kEnoughShare = 0.5;

// One run.
struct Sample {
  double value = 0;  // in the unit of the workload's metric
  double rate = 0;   // operations a second, or GB/s
  double p50_us = 0;
  double p99_us = 0;
  double proxy_busy = 0;  // share of its core
  double load_busy = 0;
  double others_busy = 0;  // share of the proxy's core that somebody else used
  double time_share = 1;   // of the time it needed, what slices that count made up
  uint32_t slices_kept = 0;
  uint32_t slices_left_out = 0;
  uint64_t errors = 0;

  bool has_enough() const { return time_share >= kEnoughShare; }
  // Whether it says more than `other`.
  bool is_better_than(const Sample& other) const;
};

struct Series {
  std::string contender;
  Role role = Role::kSluice;
  std::vector<Sample> samples;  // by round

  // Of the samples that have a slice that counts.
  std::vector<double> values_of(double Sample::*which) const;
  std::vector<double> values() const { return values_of(&Sample::value); }
  // 0 where there is none.
  std::vector<double> values_by_round() const;
  double median_value() const { return median(values()); }
  // Whether all samples but a minority are made of slices enough.
  bool has_enough() const;
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
  int64_t distance_ns = 0;  // of the cores, in the slices that count; 0 = not looked at
  std::vector<std::string> versions;
  std::vector<std::string> missing;
};

struct Comparison {
  Environment environment;
  std::vector<Line> lines;
};

}  // namespace lb::bench
