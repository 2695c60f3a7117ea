// Signals as events of the control thread's loop (signalfd(2)).
#pragma once

#include <functional>

#include "lb/event/engine.h"
#include "lb/net/fd.h"

namespace lb::control {

// Blocks the signals that Signals reads, and ignores SIGPIPE, for this thread and those it starts:
// to be called first of all.
void block_signals();

class Signals {
 public:
  // `on_signal` gets each signal's number, in the loop's thread. Throws std::system_error when the
  // kernel has no descriptor left.
  Signals(event::Engine& engine, std::function<void(int)> on_signal);
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  // Runs the loop until the last operation has ended.
  ~Signals();

 private:
  void on_readable(event::Completion completion);

  event::Engine& engine_;
  std::function<void(int)> on_signal_;
  net::UniqueFd fd_;
  event::Op poll_;
};

}  // namespace lb::control
