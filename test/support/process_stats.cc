#include "test/support/process_stats.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

#include "test/support/failure.h"

namespace lb::test {
namespace {

std::string proc_path(pid_t pid, const std::string& name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

}  // namespace

int open_fd_count(pid_t pid) {
  std::error_code error;
  int count = 0;
  auto entry = std::filesystem::directory_iterator(proc_path(pid, "fd"), error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) ++count;
  if (error) throw Failure("no /proc/" + std::to_string(pid) + "/fd: " + error.message());
  return count;
}

int pipe_end_count(pid_t pid) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(proc_path(pid, "fd"))) {
    std::error_code closed_by_now;
    const auto target = std::filesystem::read_symlink(entry.path(), closed_by_now);
    if (target.string().starts_with("pipe:")) ++count;
  }
  return count;
}

std::chrono::milliseconds cpu_time(pid_t pid) {
  std::ifstream file(proc_path(pid, "stat"));
  std::string line;
  if (!std::getline(file, line)) throw Failure("no /proc/" + std::to_string(pid) + "/stat");
  // The command's name may hold anything, so fields are counted from its closing parenthesis:
  // state is the 3rd of the line, utime the 14th, stime the 15th (proc(5)).
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  int64_t user_ticks = 0;
  int64_t system_ticks = 0;
  fields >> user_ticks >> system_ticks;
  return std::chrono::milliseconds((user_ticks + system_ticks) * 1000 / ::sysconf(_SC_CLK_TCK));
}

ThreadTime thread_time(pid_t pid, pid_t thread) {
  std::ifstream file(proc_path(pid, "task/" + std::to_string(thread) + "/schedstat"));
  int64_t ran_ns = 0;
  int64_t waited_ns = 0;
  if (!(file >> ran_ns >> waited_ns)) throw Failure("no schedstat of " + std::to_string(thread));
  return {std::chrono::nanoseconds(ran_ns), std::chrono::nanoseconds(waited_ns)};
}

pid_t thread_of(pid_t pid, const std::string& name) {
  for (const auto& task : std::filesystem::directory_iterator(proc_path(pid, "task"))) {
    std::ifstream file(task.path() / "comm");
    std::string line;
    if (std::getline(file, line) && line == name) return std::stoi(task.path().filename().string());
  }
  throw Failure("no thread " + name);
}

uint64_t private_dirty_bytes(pid_t pid) {
  std::ifstream file(proc_path(pid, "smaps_rollup"));
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("Private_Dirty:")) continue;
    return std::stoull(line.substr(line.find(':') + 1)) * 1024;
  }
  throw Failure("no Private_Dirty in /proc/" + std::to_string(pid) + "/smaps_rollup");
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  for (const auto& task : std::filesystem::directory_iterator(proc_path(pid, "task"))) {
    std::ifstream file(task.path() / "children");
    for (pid_t child; file >> child;) children.push_back(child);
  }
  return children;
}

void raise_open_file_limit() {
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace lb::test
