// Runs everybody side by side: for each workload, rounds in which each contender has one turn.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/comparison.h"

namespace lb::bench {

struct CompareOptions {
  int rounds = 5;
  int attempts = 3;             // at a measurement that somebody disturbs
  int64_t duration_ms = 2'000;  // of one measurement
  int64_t warmup_ms = 300;
  std::vector<std::string> workloads = {};   // empty = all
  std::vector<std::string> contenders = {};  // beginnings of names; empty = all
  std::string sluice_path = {};              // empty = beside this program, or in PATH
  int proxy_cpu = -1;                        // -1 = the first that is usable
  int load_cpu = -1;                         // -1 = the second; the backend has the third, if any
  // Of the two CPUs, in the slices that count; 0 = the most common one at the beginning.
  int64_t distance_ns = 0;
  int64_t distance_sampling_ms = 3'000;
  std::string command = {};  // as typed, for the record
};

// Tells on stderr how it goes. What was measured until `stop` was set is returned.
Comparison run_comparison(const CompareOptions& options, const std::atomic<bool>& stop);

}  // namespace lb::bench
