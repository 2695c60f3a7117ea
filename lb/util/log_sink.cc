#include "lb/util/log_sink.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "lb/util/clock.h"
#include "lb/util/record.h"

namespace lb::util {

LogSink::LogSink(int fd) : fd_(fd), writer_([this] { run(); }) {}

LogSink::~LogSink() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wakeup_.notify_one();
  writer_.join();
}

void LogSink::write(std::string_view lines) {
  if (lines.empty()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (pending_.size() + lines.size() > kMaxPendingBytes) {
      const auto count = static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
      dropped_lines_ += count;
      untold_lines_ += count;
      return;
    }
    const bool was_empty = pending_.empty();
    pending_ += lines;
    if (!was_empty) return;
  }
  wakeup_.notify_one();
}

uint64_t LogSink::dropped_lines() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return dropped_lines_;
}

void LogSink::run() {
  std::string lines;
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wakeup_.wait(lock, [this] { return stopping_ || !pending_.empty(); });
    if (pending_.empty()) return;
    lines.clear();
    lines.swap(pending_);
    const uint64_t untold_lines = std::exchange(untold_lines_, 0);
    lock.unlock();
    if (untold_lines > 0) {
      Record record(lines, RecordFormat::kLogfmt);
      record.add_time("ts", wall_now_us());
      record.add("level", "warn");
      record.add("msg", "log lines dropped");
      record.add_number("lines", static_cast<int64_t>(untold_lines));
      record.finish();
    }
    write_out(lines);
    lock.lock();
  }
}

void LogSink::write_out(const std::string& lines) {
  constexpr int kPollMs = 100;
  constexpr int kPatienceAtEndMs = 1000;
  int waited_at_end_ms = 0;
  for (size_t written = 0; written < lines.size();) {
    pollfd query = {fd_, POLLOUT, 0};
    // A pipe that nobody reads must not keep the process from ending.
    if (::poll(&query, 1, kPollMs) == 0) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_ && (waited_at_end_ms += kPollMs) >= kPatienceAtEndMs) return;
      continue;
    }
    // At most what a pipe that polls writable takes at once (pipe(7), PIPE_BUF).
    const size_t size_bytes = std::min<size_t>(lines.size() - written, 4096);
    const ssize_t result = ::write(fd_, lines.data() + written, size_bytes);
    if (result > 0) {
      written += static_cast<size_t>(result);
    } else if (errno != EINTR && errno != EAGAIN) {
      return;
    }
  }
}

}  // namespace lb::util
