// What the machine gives this process: CPUs and descriptors. Linux.
#pragma once

#include <cstdint>

namespace lb::control {

// CPUs that this process may run on, at least 1: its affinity mask, and where a cgroup caps the CPU
// time (cpu.max, cgroup v2) no more than that.
uint32_t usable_cpus();

// Raises the soft limit of open files to the hard one and returns it (getrlimit(2)).
uint64_t raise_open_file_limit();

// What may be spent on pipes.
struct PipeBudget {
  uint32_t pipes_per_worker = 0;
  uint32_t pipe_size_bytes = 0;

  uint64_t open_files(uint32_t workers) const { return uint64_t{2} * pipes_per_worker * workers; }
};

// Pages that an unprivileged user's pipes may have together before new ones get too small to be of
// use (pipe(7), /proc/sys/fs/pipe-user-pages-soft); 0 = no such limit.
uint64_t pipe_user_pages();
// At most half of those pages, and a sixteenth of the descriptors. Pipes are big where there is
// room for a fair number of big ones.
PipeBudget pipes_for(uint64_t open_files, uint64_t user_pages, uint32_t workers);

// How many health checks may be under way at a time: at most a sixteenth of the descriptors, and
// 256, enough for 700 endpoints that do not answer within a second and are asked every three.
uint32_t checks_for(uint64_t open_files);

// How many connections so many descriptors carry, two each, with a reserve for everything else.
int64_t connections_for(uint64_t open_files, uint64_t listening_sockets, uint32_t workers);

}  // namespace lb::control
