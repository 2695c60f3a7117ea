// What a process holds and has used, from /proc. All throw Failure when the process is gone.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <vector>

namespace lb::test {

int open_fd_count(pid_t pid);
// User and system time of all its threads; the clock ticks every 10 ms.
std::chrono::milliseconds cpu_time(pid_t pid);
// Pages that are its own and written to: the user-space memory it costs (smaps_rollup).
uint64_t private_dirty_bytes(pid_t pid);
std::vector<pid_t> children_of(pid_t pid);

// Raises this process's limit of open files to what it may have.
void raise_open_file_limit();

}  // namespace lb::test
