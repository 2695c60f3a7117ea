// One run: sets up its connections, checks the answers, warms up, measures.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "bench/error_counts.h"
#include "bench/load_options.h"
#include "bench/poller.h"
#include "bench/slices.h"

namespace lb::bench {

// The sum of the slices that count, and what is known of the whole run.
struct LoadResult : Measured {
  uint32_t connections = 0;  // that were set up and answered correctly before the measurement
  uint64_t behind = 0;       // of a fixed rate: operations that were due and not begun at the end
  ErrorCounts errors;        // from the first connection on
  uint32_t slices_kept = 0;
  uint32_t slices_left_out = 0;
  int64_t typical_p99_ns = 0;  // Slices::typical_p99_ns()
  int64_t distance_ns = 0;     // that slices had to have; 0 = any
  // Of the whole measurement, slices that do not count and pauses between slices included.
  double elapsed_seconds = 0;
  double elapsed_proxy_cpu_seconds = 0;
  double probe_cpu_seconds = 0;  // on the proxy's CPU, to know the distance
  // Of each CPU, whoever used it.
  std::vector<double> busy_seconds_by_cpu = {};
  // Of `pids`, per connection: what they held more once all connections stood still than after
  // one had come and gone. Only after kIdle.
  double private_bytes_per_connection = 0;
  double resident_bytes_per_connection = 0;
};

// Runs until the slices that count make up the time or the count, four times the time has passed,
// or `stop` is set. The backend may live on the same poller.
LoadResult run_load(Poller& poller, const LoadOptions& options, const std::atomic<bool>& stop);

}  // namespace lb::bench
