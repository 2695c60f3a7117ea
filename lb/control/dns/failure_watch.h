// Notices that connects to a service fail, from what the workers count anyway: the address that a
// name had may be another's by now. Looks once a second. Control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "lb/event/engine.h"

namespace lb::control {

class FailureWatch {
 public:
  using Totals = std::map<std::string, uint64_t>;  // failed connects so far, by service

  struct Hooks {
    std::function<Totals()> count;
    std::function<void(const std::string& service)> on_failure;
  };

  // `engine` must outlive the watch.
  FailureWatch(event::Engine& engine, Hooks hooks);
  FailureWatch(const FailureWatch&) = delete;
  FailureWatch& operator=(const FailureWatch&) = delete;
  ~FailureWatch() { stop(); }

  // Tells of failures from now on. Does nothing when it runs already.
  void start();
  void stop();

 private:
  void look();

  event::Engine& engine_;
  const Hooks hooks_;
  event::Timer timer_;
  Totals seen_;
};

}  // namespace lb::control
