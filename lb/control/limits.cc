#include "lb/control/limits.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

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

uint64_t pipe_user_pages() {
  std::ifstream file("/proc/sys/fs/pipe-user-pages-soft");
  constexpr uint64_t kKernelDefault = 16384;
  uint64_t pages = 0;
  return file >> pages ? pages : kKernelDefault;
}

PipeBudget pipes_for(uint64_t open_files, uint64_t user_pages, uint32_t workers) {
  constexpr uint32_t kSmallBytes = 65536;  // what pipe(2) makes
  constexpr uint32_t kBigBytes = 262144;
  constexpr uint64_t kEnough = 16;  // of the big ones, for a worker
  constexpr uint64_t kMost = 1024;
  const auto page_size_bytes = static_cast<uint64_t>(getpagesize());
  const auto per_worker = [&](uint32_t pipe_size_bytes) {
    const uint64_t by_files = open_files / 16 / 2;
    const uint64_t by_pages =
        user_pages == 0 ? kMost * workers : user_pages / 2 * page_size_bytes / pipe_size_bytes;
    return std::min(std::min(by_files, by_pages) / workers, kMost);
  };
  const uint32_t size_bytes = per_worker(kBigBytes) >= kEnough ? kBigBytes : kSmallBytes;
  return {static_cast<uint32_t>(per_worker(size_bytes)), size_bytes};
}

uint32_t checks_for(uint64_t open_files) {
  constexpr uint64_t kEnough = 256;
  return static_cast<uint32_t>(std::clamp<uint64_t>(open_files / 16, 1, kEnough));
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
