// One run: sets up its connections, checks the answers, warms up, measures.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "bench/error_counts.h"
#include "bench/histogram.h"
#include "bench/load_options.h"
#include "bench/poller.h"

namespace lb::bench {

struct LoadResult {
  uint32_t connections = 0;  // that were set up and answered correctly before the measurement
  double seconds = 0;        // of the measurement
  uint64_t operations = 0;
  uint64_t stream_bytes = 0;
  Histogram latency;
  uint64_t behind = 0;  // of a fixed rate: operations that were due and not begun at the end
  ErrorCounts errors;   // from the first connection on
  // Of `pids`, during the measurement.
  double proxy_cpu_seconds = 0;
  double own_cpu_seconds = 0;  // of this process, without what it spun for nothing
  // Of each CPU, whoever used it.
  std::vector<double> busy_seconds_by_cpu = {};
  // Of `pids`, per connection: what they held more once all connections stood still than before
  // the first one. Only after kIdle.
  double private_bytes_per_connection = 0;
  double resident_bytes_per_connection = 0;
};

// Runs until the time or the count is up, or `stop` is set. The backend may live on the same
// poller.
LoadResult run_load(Poller& poller, const LoadOptions& options, const std::atomic<bool>& stop);

}  // namespace lb::bench
