// Where lines go: a file descriptor and the thread that writes to it, so that a slow disk or a
// stopped reader of stderr never stops a worker. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "lb/util/record.h"

namespace lb::util {

class LogSink {
 public:
  // Lines beyond this, while the reader does not keep up, are dropped and counted.
  static constexpr size_t kMaxPendingBytes = 4 * 1024 * 1024;

  // `fd` is not owned. `format` is for the lines of its own that admit a loss. Starts the writing
  // thread.
  LogSink(int fd, RecordFormat format);
  LogSink(const LogSink&) = delete;
  LogSink& operator=(const LogSink&) = delete;
  // Writes what is pending, for at most a second when the reader does not read.
  ~LogSink();

  // Whole lines, each with its newline. They are dropped as one when there is no room.
  void write(std::string_view lines);

  // From now on lines go to what `fd` is open on, which takes the place of the file that the sink
  // was made with, and is closed. Lines stay whole: what is being written ends where it began.
  void replace_file(int fd);

  // Lines dropped so far, for want of room or because they could not be written.
  uint64_t dropped_lines() const;

 private:
  void run();
  void take_next_file();
  // False when the lines were given up.
  bool write_out(const std::string& lines);
  bool has_given_up_waiting();

  const int fd_;
  const RecordFormat format_;
  int waited_at_end_ms_ = 0;  // by the writing thread
  mutable std::mutex mutex_;
  std::condition_variable wakeup_;
  std::string pending_;         // guarded by mutex_, as is what follows
  uint64_t dropped_lines_ = 0;  // in all
  uint64_t untold_lines_ = 0;   // dropped, and not yet admitted in the log itself
  int next_fd_ = -1;            // from replace_file(), until the writing thread takes it
  bool stopping_ = false;
  std::thread writer_;
};

}  // namespace lb::util
