// The real binary, started as a user starts it and driven from the outside.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "test/support/access_record.h"
#include "test/support/child_process.h"
#include "test/support/temp_dir.h"

namespace lb::test {

// The path of the binary, from SLUICE_BIN.
std::string sluice_path();

struct SluiceOptions {
  std::string engine = "auto";
  std::vector<std::string> arguments = {};  // after `run --config FILE --engine E`
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::function<void()> before_exec = {};
  bool wait_ready = true;
};

class SluiceProcess {
 public:
  // Returns once the log says ready; throws, with the log, when it does not.
  SluiceProcess(std::string_view config, const SluiceOptions& options);
  SluiceProcess(std::string_view config, const std::string& engine)
      : SluiceProcess(config, SluiceOptions{.engine = engine}) {}

  // Where it can be talked to, when its configuration has no [admin] of its own: a test's process
  // keeps away from the machine's.
  std::string control_socket() const { return dir_.path("control.sock"); }
  // Replaces its configuration file in one step; it notices at a reload. The second writes no
  // [admin] of its own.
  void write_config(std::string_view config) const;
  void write_verbatim(std::string_view text) const;
  std::string config_path() const { return dir_.path("sluice.toml"); }
  // Runs `sluice ARGUMENTS` against its control socket.
  CommandResult command(std::vector<std::string> arguments) const;

  ChildProcess& process() { return *child_; }
  pid_t pid() const { return child_->pid(); }
  const LineLog& log() const { return child_->err(); }
  void send_signal(int signal) const { child_->send_signal(signal); }

  // The records of connections so far, and the same once there are `count` of them.
  std::vector<AccessRecord> records() const;
  std::vector<AccessRecord> wait_records(size_t count) const;
  // The record of the connection of this client address, waited for.
  AccessRecord wait_record(const std::string& client) const;

  // Every connection is gone: as many descriptors as when it became ready, but for the pipes that
  // it keeps for the next stream. Throws otherwise.
  void wait_quiet() const;
  int fds_at_ready() const { return fds_at_ready_; }

  // wait_quiet(), then SIGTERM: exit code 0, and nothing from a sanitizer in the log.
  void stop();
  // The end after a signal of the test's own: exit code, and nothing from a sanitizer in the log.
  int wait_exit(std::chrono::milliseconds timeout = std::chrono::seconds(30));

 private:
  TempDir dir_;
  std::unique_ptr<ChildProcess> child_;
  int fds_at_ready_ = 0;
  int pipe_ends_at_ready_ = 0;
};

// Runs `sluice` with these arguments to its end.
CommandResult run_sluice(std::vector<std::string> arguments,
                         const std::function<void()>& before_exec = {});

}  // namespace lb::test
