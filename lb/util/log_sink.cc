#include "lb/util/log_sink.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "lb/util/clock.h"

namespace lb::util {
namespace {

constexpr int kPollMs = 100;
constexpr int kPatienceAtEndMs = 1000;

uint64_t count_lines(std::string_view lines) {
  return static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
}

}  // namespace

LogSink::LogSink(int fd, RecordFormat format)
    : fd_(fd), format_(format), writer_([this] { run(); }) {}

LogSink::~LogSink() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wakeup_.notify_one();
  writer_.join();
  if (next_fd_ >= 0) ::close(next_fd_);
}

void LogSink::write(std::string_view lines) {
  if (lines.empty()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool was_idle = pending_.empty() && untold_lines_ == 0;
    if (pending_.size() + lines.size() > kMaxPendingBytes) {
      const uint64_t count = count_lines(lines);
      dropped_lines_ += count;
      untold_lines_ += count;
    } else {
      pending_ += lines;
    }
    if (!was_idle) return;
  }
  wakeup_.notify_one();
}

void LogSink::replace_file(int fd) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (next_fd_ >= 0) ::close(next_fd_);
    next_fd_ = fd;
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
    wakeup_.wait(lock, [this] {
      return stopping_ || next_fd_ >= 0 || !pending_.empty() || untold_lines_ > 0;
    });
    take_next_file();
    if (pending_.empty() && untold_lines_ == 0) {
      if (stopping_) return;
      continue;
    }
    lines.clear();
    lines.swap(pending_);
    const uint64_t untold_lines = std::exchange(untold_lines_, 0);
    lock.unlock();
    if (untold_lines > 0) {
      Record record(lines, format_);
      record.add_time("ts", wall_now_us());
      record.add("level", "warn");
      record.add("msg", "log lines dropped");
      record.add_number("lines", static_cast<int64_t>(untold_lines));
      record.finish();
    }
    const bool was_written = write_out(lines);
    lock.lock();
    if (!was_written) dropped_lines_ += count_lines(lines);
    if (!was_written && stopping_) return;
  }
}

void LogSink::take_next_file() {
  if (next_fd_ < 0) return;
  // Keeps the number, which is not ours to change. It cannot fail: both are open.
  ::dup3(next_fd_, fd_, O_CLOEXEC);
  ::close(std::exchange(next_fd_, -1));
}

bool LogSink::write_out(const std::string& lines) {
  for (size_t written = 0; written < lines.size();) {
    pollfd query = {fd_, POLLOUT, 0};
    if (::poll(&query, 1, kPollMs) == 0) {
      if (has_given_up_waiting()) return false;
      continue;
    }
    // At most what a pipe that polls writable takes at once (pipe(7), PIPE_BUF).
    const size_t size_bytes = std::min<size_t>(lines.size() - written, 4096);
    const ssize_t result = ::write(fd_, lines.data() + written, size_bytes);
    if (result > 0) {
      written += static_cast<size_t>(result);
    } else if (errno != EINTR && errno != EAGAIN) {
      return false;
    }
  }
  return true;
}

bool LogSink::has_given_up_waiting() {
  // A pipe that nobody reads must not keep the process from ending.
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_) waited_at_end_ms_ += kPollMs;
  return waited_at_end_ms_ >= kPatienceAtEndMs;
}

}  // namespace lb::util
