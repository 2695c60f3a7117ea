#include "bench/process_meter.h"

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <string>

#include "lb/util/clock.h"

namespace lb::bench {
namespace {

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  std::ifstream file(fmt::format("/proc/{}/task/{}/children", pid, pid));
  for (pid_t child = 0; file >> child;) children.push_back(child);
  return children;
}

// The sum that the scheduler keeps of a process's threads: the same that utime and stime of
// /proc/PID/stat are made of, without rounding to a clock tick.
double cpu_seconds(pid_t pid) {
  clockid_t clock = 0;
  timespec time = {};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

void add_memory(pid_t pid, ProcessCost* cost) {
  std::ifstream file(fmt::format("/proc/{}/smaps_rollup", pid));
  std::string line;
  while (std::getline(file, line)) {
    unsigned long long size_kib = 0;
    if (std::sscanf(line.c_str(), "Rss: %llu kB", &size_kib) == 1) {
      cost->resident_bytes += size_kib * 1024;
    } else if (std::sscanf(line.c_str(), "Private_Dirty: %llu kB", &size_kib) == 1) {
      cost->private_bytes += size_kib * 1024;
    }
  }
}

}  // namespace

std::vector<pid_t> with_children(const std::vector<pid_t>& pids) {
  std::vector<pid_t> all = pids;
  for (size_t i = 0; i < all.size(); ++i) {
    for (const pid_t child : children_of(all[i])) all.push_back(child);
  }
  return all;
}

ProcessCost cost_of(const std::vector<pid_t>& pids) {
  ProcessCost cost;
  for (const pid_t pid : with_children(pids)) {
    cost.cpu_seconds += cpu_seconds(pid);
    add_memory(pid, &cost);
  }
  return cost;
}

double cpu_seconds_of(const std::vector<pid_t>& pids) {
  double sum = 0;
  for (const pid_t pid : with_children(pids)) sum += cpu_seconds(pid);
  return sum;
}

std::vector<double> busy_seconds_by_cpu() {
  std::vector<double> busy;
  const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    size_t cpu = 0;
    // proc(5): user, nice, system, idle, iowait, irq, softirq, steal.
    unsigned long long ticks[8] = {};
    if (std::sscanf(line.c_str(), "cpu%zu %llu %llu %llu %llu %llu %llu %llu %llu", &cpu, &ticks[0],
                    &ticks[1], &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6],
                    &ticks[7]) != 9) {
      continue;
    }
    busy.resize(std::max(busy.size(), cpu + 1));
    busy[cpu] =
        static_cast<double>(ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6] + ticks[7]) /
        ticks_per_second;
  }
  return busy;
}

double own_cpu_seconds() {
  return static_cast<double>(util::clock_ns(CLOCK_PROCESS_CPUTIME_ID)) * 1e-9;
}

}  // namespace lb::bench
