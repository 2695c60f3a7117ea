// A service manager's end of sd_notify(3): a datagram socket, and what a process has sent to it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "lb/net/fd.h"

namespace lb::test {

// One message: its assignments, "READY" -> "1".
class Notification {
 public:
  explicit Notification(std::string_view text);

  bool has(const std::string& key) const { return assignments_.contains(key); }
  // Empty when it is missing.
  std::string value(const std::string& key) const;
  std::string status() const { return value("STATUS"); }
  // The word among READY, RELOADING and STOPPING that it says; empty for none.
  std::string state() const;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::map<std::string, std::string> assignments_;
};

class NotifySocket {
 public:
  // `name` is a path, or "@name" in the abstract space.
  explicit NotifySocket(std::string name);
  ~NotifySocket();
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  const std::string& name() const { return name_; }
  // Everything that was sent before the call, from the first; and the same once there are `count`,
  // or Failure.
  std::vector<Notification> all() const;
  std::vector<Notification> wait_for(size_t count) const;
  // The states of all messages, with blanks between: "READY RELOADING READY".
  std::string states() const;

 private:
  void read_loop();
  void send_to_self(std::string_view text) const;

  const std::string name_;
  net::UniqueFd fd_;
  mutable std::mutex mutex_;  // guards what follows
  mutable std::condition_variable changed_;
  std::vector<Notification> messages_;
  mutable int marks_sent_ = 0;
  int marks_seen_ = 0;
  std::thread reader_;
};

}  // namespace lb::test
