#include "lb/control/limits.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace lb::control {
namespace {

// "/sys/fs/cgroup/cpu.max" holds "QUOTA PERIOD", or "max PERIOD" (cgroup-v2, "CPU Interface
// Files"). 0 = no cap.
uint32_t cgroup_cpus() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota_us = 0;
  double period_us = 0;
  if (!(file >> quota_us >> period_us) || period_us <= 0) return 0;
  return static_cast<uint32_t>((quota_us + period_us - 1) / period_us);
}

}  // namespace

uint32_t usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int count = 1;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) count = CPU_COUNT(&set);
  const auto cpus = static_cast<uint32_t>(std::max(count, 1));
  const uint32_t cap = cgroup_cpus();
  return cap == 0 ? cpus : std::min(cpus, cap);
}

uint64_t raise_open_file_limit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

int64_t connections_for(uint64_t open_files, uint64_t listening_sockets, uint32_t workers) {
  // Standard streams, logs, libraries; an engine's own; and for each listening socket itself and a
  // connection that is being accepted while the last room goes.
  constexpr int64_t kProcess = 24;
  constexpr int64_t kPerWorker = 4;
  const int64_t reserve =
      kProcess + kPerWorker * workers + 3 * static_cast<int64_t>(listening_sockets);
  constexpr uint64_t kPlenty = uint64_t{1} << 32;
  const auto available = static_cast<int64_t>(std::min(open_files, kPlenty)) - reserve;
  return std::max<int64_t>(available / 2, 1);
}

}  // namespace lb::control
