// A program that a test starts: its output, its signals, its end. Killed and reaped with the
// object. Children outlive nothing: they get SIGKILL when the test process dies.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "test/support/line_log.h"

namespace lb::test {

struct SpawnOptions {
  // argv[0] is looked up in PATH.
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> environment = {};
  // A file for the standard input; empty = /dev/null.
  std::string stdin_path = {};
  // Runs in the child just before exec: limits, identity, filters. Only async-signal-safe calls.
  std::function<void()> before_exec = {};
};

class ChildProcess {
 public:
  explicit ChildProcess(const SpawnOptions& options);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  const LineLog& out() const { return *out_; }
  const LineLog& err() const { return *err_; }

  void send_signal(int signal) const;
  // The wait status (see waitpid(2)) once the child has ended, or nothing at the deadline.
  std::optional<int> wait(std::chrono::milliseconds timeout);
  // The same as what a shell calls it: the exit code, or 128 + the signal. Throws at the deadline.
  int wait_code(std::chrono::milliseconds timeout = std::chrono::seconds(30));
  bool running() { return !wait(std::chrono::milliseconds(0)).has_value(); }

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
  std::unique_ptr<LineLog> out_;
  std::unique_ptr<LineLog> err_;
};

struct CommandResult {
  int code;
  std::string out;
  std::string err;
};

// Runs a program to its end; throws when it is not over in time.
CommandResult run_command(const SpawnOptions& options,
                          std::chrono::milliseconds timeout = std::chrono::seconds(60));
// Whether argv[0] would be found in PATH.
bool have_command(const std::string& name);

}  // namespace lb::test
