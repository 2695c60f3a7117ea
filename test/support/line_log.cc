#include "test/support/line_log.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "test/support/scale.h"

namespace lb::test {

LineLog::LineLog(net::UniqueFd fd)
    : fd_(std::move(fd)), stop_(::eventfd(0, EFD_CLOEXEC)), reader_([this] { read_loop(); }) {}

LineLog::~LineLog() {
  ::eventfd_write(stop_.get(), 1);
  reader_.join();
}

void LineLog::read_loop() {
  std::array<char, 64 * 1024> buffer;
  std::string partial;
  for (;;) {
    std::array<pollfd, 2> fds = {pollfd{fd_.get(), POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
    ::poll(fds.data(), fds.size(), -1);
    if (fds[0].revents == 0 && fds[1].revents != 0) return;
    const ssize_t count = ::read(fd_.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    const std::lock_guard lock(mutex_);
    if (count <= 0) {
      if (!partial.empty()) lines_.push_back(std::move(partial));
      closed_ = true;
      changed_.notify_all();
      return;
    }
    partial.append(buffer.data(), static_cast<size_t>(count));
    size_t start = 0;
    for (size_t end; (end = partial.find('\n', start)) != std::string::npos; start = end + 1) {
      lines_.push_back(partial.substr(start, end - start));
    }
    partial.erase(0, start);
    changed_.notify_all();
  }
}

std::vector<std::string> LineLog::lines() const {
  const std::lock_guard lock(mutex_);
  return lines_;
}

std::string LineLog::text() const {
  std::string text;
  for (const std::string& line : lines()) text += line + '\n';
  return text;
}

std::optional<std::string> LineLog::wait_for(const std::function<bool(const std::string&)>& matches,
                                             std::chrono::milliseconds timeout) const {
  const auto deadline = std::chrono::steady_clock::now() + patience(timeout);
  std::unique_lock lock(mutex_);
  for (size_t next = 0;;) {
    for (; next < lines_.size(); ++next) {
      if (matches(lines_[next])) return lines_[next];
    }
    if (closed_) return std::nullopt;
    if (changed_.wait_until(lock, deadline) == std::cv_status::timeout && next == lines_.size()) {
      return std::nullopt;
    }
  }
}

std::optional<std::string> LineLog::wait_for_line(std::string_view part,
                                                  std::chrono::milliseconds timeout) const {
  return wait_for([&](const std::string& line) { return line.find(part) != std::string::npos; },
                  timeout);
}

int LineLog::count(std::string_view part) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count_if(lines_.begin(), lines_.end(), [&](const auto& line) {
    return line.find(part) != std::string::npos;
  }));
}

int LineLog::wait_count(std::string_view part, int least) const {
  int left = least;
  wait_for(
      [&](const std::string& line) { return line.find(part) != std::string::npos && --left <= 0; },
      std::chrono::seconds(5));
  return count(part);
}

void LineLog::wait_closed() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return closed_; });
}

}  // namespace lb::test
