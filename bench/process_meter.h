// What processes cost, seen from the outside.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace lb::bench {

struct ProcessCost {
  double cpu_seconds = 0;      // user and system, all threads; those that have ended included
  uint64_t private_bytes = 0;  // pages of their own that they have written
  uint64_t resident_bytes = 0;
};

// The processes, and their children's children. A process that is gone counts as nothing.
std::vector<pid_t> with_children(const std::vector<pid_t>& pids);
ProcessCost cost_of(const std::vector<pid_t>& pids);
// Of all the processes with their children, the time alone: cheap.
double cpu_seconds_of(const std::vector<pid_t>& pids);
double own_cpu_seconds();
// By CPU: the time it has not been idle since it was started, whoever it worked for; in clock
// ticks, so only good for whether somebody else was there.
std::vector<double> busy_seconds_by_cpu();

}  // namespace lb::bench
