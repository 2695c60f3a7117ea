// A small HTTP server inside the process, for `sluice demo` and for tests: it shows what reached
// it.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

namespace httplib {
class Server;
}

namespace lb::control {

// Serves on 127.0.0.1, on a port the kernel picks, from threads of its own:
//   GET /headers  {"headers": {"Host": "...", ...}}, the request's headers as they came
//   GET /         one line that names the backend
// The destructor stops it and waits for its threads.
class DemoBackend {
 public:
  // Returns once connections are served; kUnavailable when there is no port to be had. Its threads
  // inherit the caller's signal mask: block what a signalfd is to read before.
  static absl::StatusOr<std::unique_ptr<DemoBackend>> start(std::string name);

  DemoBackend(const DemoBackend&) = delete;
  DemoBackend& operator=(const DemoBackend&) = delete;
  ~DemoBackend();

  uint16_t port() const { return port_; }

 private:
  explicit DemoBackend(std::string name);

  const std::string name_;
  const std::unique_ptr<httplib::Server> server_;
  uint16_t port_ = 0;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

}  // namespace lb::control
