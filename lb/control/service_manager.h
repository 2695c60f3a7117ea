// What the service manager hears from the process (sd_notify(3)): that it serves, reloads or ends,
// with a sentence for people. Without NOTIFY_SOCKET in the environment there is none, and nothing
// is sent. Main thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lb/util/log.h"

namespace lb::control {

class ServiceManager {
 public:
  // `log` hears of messages that could not be sent; it must outlive the object.
  explicit ServiceManager(util::Log& log) : log_(log) {}

  // Everything listens; or, after reloading(), that a reload is over, whatever came of it.
  void ready(std::string_view sentence);
  // What is served has changed without a reload.
  void changed(std::string_view sentence);
  // A reload begins. Each wants its ready().
  void reloading();
  // The end begins, and may take `timeout_ms`: longer than the unit's TimeoutStopSec= if need be.
  // Of reloads the manager hears nothing after this, since ready() would take it back.
  void stopping(std::string_view sentence, int64_t timeout_ms);
  // There is nothing to serve; the process exits.
  void failed(std::string_view why);

 private:
  void send(const std::string& assignments);

  util::Log& log_;
  bool is_stopping_ = false;
};

// "STATUS=" and the sentence as a message may hold it: one line of bounded length, since a line
// break would begin the next assignment and a message that is too long would be lost whole.
std::string status_assignment(std::string_view sentence);

}  // namespace lb::control
