// What the machine gives this process: CPUs and descriptors. Linux.
#pragma once

#include <cstdint>

namespace lb::control {

// CPUs that this process may run on, at least 1: its affinity mask, and where a cgroup caps the CPU
// time (cpu.max, cgroup v2) no more than that.
uint32_t usable_cpus();

// Raises the soft limit of open files to the hard one and returns it (getrlimit(2)).
uint64_t raise_open_file_limit();

// How many connections so many descriptors carry, two each, with a reserve for everything else.
int64_t connections_for(uint64_t open_files, uint64_t listening_sockets, uint32_t workers);

}  // namespace lb::control
