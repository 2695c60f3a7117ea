// What a child process writes, line by line, as a test wants to wait for it. Any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "lb/net/fd.h"

namespace lb::test {

class LineLog {
 public:
  // Reads `fd`, the read end of a pipe, in a thread of its own until all writers have gone.
  explicit LineLog(net::UniqueFd fd);
  // Does not wait for the writers: a killed child may leave children with the pipe.
  ~LineLog();

  std::vector<std::string> lines() const;
  std::string text() const;

  // The first line that `matches`, waiting for it; nothing at the deadline (scaled) or, earlier,
  // when the writers have gone without it.
  std::optional<std::string> wait_for(const std::function<bool(const std::string&)>& matches,
                                      std::chrono::milliseconds timeout) const;
  std::optional<std::string> wait_for_line(std::string_view part,
                                           std::chrono::milliseconds timeout) const;
  // How many lines contain `part`.
  int count(std::string_view part) const;
  // The same, once there are `least` of them or five seconds (scaled) have passed: what is seen of
  // a process by another way may be seen before it is read here.
  int wait_count(std::string_view part, int least) const;
  // Waits until every writer has gone: the log is complete.
  void wait_closed() const;

 private:
  void read_loop();

  net::UniqueFd fd_;
  net::UniqueFd stop_;        // an eventfd, readable once the reader is to end
  mutable std::mutex mutex_;  // guards lines_ and closed_
  mutable std::condition_variable changed_;
  std::vector<std::string> lines_;
  bool closed_ = false;
  std::thread reader_;
};

}  // namespace lb::test
