// What the kernel says about this process, for the standard process_* metrics.
#pragma once

#include <cstdint>
#include <optional>

namespace lb::control {

struct ProcessUsage {
  double cpu_seconds = 0;
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t open_fds = 0;
  std::optional<uint64_t> max_fds;  // absent = no limit
  double start_time_seconds = 0;    // since the epoch
};

// Reads /proc; what cannot be read is 0. Any thread.
ProcessUsage process_usage();

}  // namespace lb::control
