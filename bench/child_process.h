// A program under test: started on one CPU, ended with its object, and also when this process dies.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "lb/net/address.h"

namespace lb::bench {

class ChildProcess {
 public:
  // argv[0] is a path. Its output goes to `log_path`. `cpu` < 0: wherever.
  ChildProcess(const std::vector<std::string>& argv, int cpu, const std::string& log_path);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  bool is_running();
  // Waits until a connection to `address` is accepted; false when the process ends before, or none
  // is for `timeout_ms`.
  bool wait_listening(const net::Address& address, int64_t timeout_ms);

 private:
  bool wait_end(int64_t timeout_ms);

  pid_t pid_ = -1;
};

// The CPUs this process may use, in their order.
std::vector<int> usable_cpus();
// Keeps the calling thread on one CPU.
void pin_to_cpu(int cpu);
// Takes as many descriptors as this process may have; returns how many.
uint64_t raise_open_file_limit();

}  // namespace lb::bench
