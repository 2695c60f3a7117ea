// Where lines go: a file descriptor and the thread that writes to it, so that a slow disk or a
// stopped reader of stderr never stops a worker. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace lb::util {

class LogSink {
 public:
  // Lines beyond this, while the reader does not keep up, are dropped and counted.
  static constexpr size_t kMaxPendingBytes = 4 * 1024 * 1024;

  // `fd` is not owned. Starts the writing thread.
  explicit LogSink(int fd);
  LogSink(const LogSink&) = delete;
  LogSink& operator=(const LogSink&) = delete;
  // Writes what is pending, for at most a second when the reader does not read.
  ~LogSink();

  // Whole lines, each with its newline. They are dropped as one when there is no room.
  void write(std::string_view lines);

  // Lines dropped so far.
  uint64_t dropped_lines() const;

 private:
  void run();
  void write_out(const std::string& lines);

  const int fd_;
  mutable std::mutex mutex_;
  std::condition_variable wakeup_;
  std::string pending_;         // guarded by mutex_, as is what follows
  uint64_t dropped_lines_ = 0;  // in all
  uint64_t untold_lines_ = 0;   // dropped, and not yet admitted in the log itself
  bool stopping_ = false;
  std::thread writer_;
};

}  // namespace lb::util
