#include "test/support/notify_socket.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <sstream>
#include <utility>

#include "test/support/failure.h"
#include "test/support/scale.h"

namespace lb::test {
namespace {

struct UnixName {
  sockaddr_un address = {};
  socklen_t size_bytes = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

// What the socket sends to itself.
constexpr std::string_view kMark = "MARK=1";
constexpr std::string_view kEnd = "END=1";

UnixName unix_name(const std::string& name) {
  UnixName result;
  if (name.size() >= sizeof(result.address.sun_path)) throw Failure("too long: " + name);
  result.address.sun_family = AF_UNIX;
  name.copy(result.address.sun_path, name.size());
  if (name.front() == '@') result.address.sun_path[0] = '\0';
  result.size_bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  return result;
}

}  // namespace

Notification::Notification(std::string_view text) : text_(text) {
  std::istringstream lines(text_);
  for (std::string line; std::getline(lines, line);) {
    const size_t sign = line.find('=');
    if (sign == std::string::npos) throw Failure("no assignment: " + text_);
    assignments_[line.substr(0, sign)] = line.substr(sign + 1);
  }
}

std::string Notification::value(const std::string& key) const {
  const auto found = assignments_.find(key);
  return found == assignments_.end() ? "" : found->second;
}

std::string Notification::state() const {
  for (const char* state : {"READY", "RELOADING", "STOPPING"}) {
    if (value(state) == "1") return state;
  }
  return "";
}

NotifySocket::NotifySocket(std::string name)
    : name_(std::move(name)), fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  const UnixName bound = unix_name(name_);
  if (::bind(fd_.get(), bound.get(), bound.size_bytes) != 0) fail_errno("bind " + name_);
  reader_ = std::thread([this] { read_loop(); });
}

NotifySocket::~NotifySocket() {
  send_to_self(kEnd);
  reader_.join();
  if (name_.front() != '@') ::unlink(name_.c_str());
}

void NotifySocket::send_to_self(std::string_view text) const {
  const UnixName own = unix_name(name_);
  ::sendto(fd_.get(), text.data(), text.size(), 0, own.get(), own.size_bytes);
}

void NotifySocket::read_loop() {
  std::array<char, 8192> buffer;
  while (true) {
    const ssize_t size_bytes = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (size_bytes < 0) return;
    const std::string_view text(buffer.data(), static_cast<size_t>(size_bytes));
    if (text == kEnd) return;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (text == kMark) {
        ++marks_seen_;
      } else {
        messages_.emplace_back(text);
      }
    }
    changed_.notify_all();
  }
}

std::vector<Notification> NotifySocket::all() const {
  std::unique_lock<std::mutex> lock(mutex_);
  const int mark = ++marks_sent_;
  lock.unlock();
  send_to_self(kMark);
  lock.lock();
  changed_.wait(lock, [&] { return marks_seen_ >= mark; });
  return messages_;
}

std::vector<Notification> NotifySocket::wait_for(size_t count) const {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, patience(std::chrono::seconds(10)),
                    [&] { return messages_.size() >= count; });
  if (messages_.size() >= count) return messages_;
  lock.unlock();
  throw Failure("wanted " + std::to_string(count) + " messages, got: " + states());
}

std::string NotifySocket::states() const {
  std::string states;
  for (const Notification& message : all()) {
    if (!states.empty()) states += ' ';
    states += message.state().empty() ? message.text() : message.state();
  }
  return states;
}

}  // namespace lb::test
