// What a process holds and has used, from /proc. All throw Failure when the process is gone.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace lb::test {

int open_fd_count(pid_t pid);
// How many of them are an end of a pipe.
int pipe_end_count(pid_t pid);
// User and system time of all its threads; the clock ticks every 10 ms.
std::chrono::milliseconds cpu_time(pid_t pid);
// The time that a thread has run on a CPU, and has waited for one while others
// ran. The former is behind by up to a clock tick while it runs.
struct ThreadTime {
  std::chrono::nanoseconds ran{0};
  std::chrono::nanoseconds waited{0};
};
ThreadTime thread_time(pid_t pid, pid_t thread);
// The thread of that name.
pid_t thread_of(pid_t pid, const std::string& name);
// Pages that are its own and written to: the user-space memory it costs (smaps_rollup).
uint64_t private_dirty_bytes(pid_t pid);
std::vector<pid_t> children_of(pid_t pid);

// Raises this process's limit of open files to what it may have.
void raise_open_file_limit();

}  // namespace lb::test
