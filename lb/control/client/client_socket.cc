#include "lb/control/client/client_socket.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "fmt/format.h"
#include "lb/net/address.h"
#include "lb/net/fd.h"
#include "lb/util/clock.h"

namespace lb::control {
namespace {

// A stream whose calls end by a deadline.
class Stream {
 public:
  Stream(const std::string& path, int64_t timeout_ms)
      : path_(path), timeout_ms_(timeout_ms), deadline_ms_(util::mono_now_ms() + timeout_ms) {}

  absl::Status connect() {
    const absl::StatusOr<net::Address> address = net::Address::from_unix_path(path_);
    if (!address.ok()) return no_answer(std::string(address.status().message()));
    fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd_.is_open()) return failed();
    if (!arm(SO_SNDTIMEO)) return late();
    if (::connect(fd_.get(), address->data(), address->size_bytes()) != 0) return failed();
    return absl::OkStatus();
  }

  absl::Status send(std::string_view text) {
    while (!text.empty()) {
      if (!arm(SO_SNDTIMEO)) return late();
      const ssize_t sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      // Whoever is turned away may find the answer there and nobody reading.
      if (sent < 0 && errno == EPIPE) return absl::OkStatus();
      if (sent < 0) return failed();
      text.remove_prefix(static_cast<size_t>(sent));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> read_to_end() {
    std::string text;
    std::array<char, 16384> buffer;
    for (;;) {
      if (!arm(SO_RCVTIMEO)) return late();
      const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (size > 0) {
        text.append(buffer.data(), static_cast<size_t>(size));
      } else if (size == 0) {
        return text;
      } else if (errno != EINTR) {
        return failed();
      }
    }
  }

  absl::Status no_answer(std::string_view why) const {
    return absl::UnavailableError(fmt::format("no answer from {}: {}", path_, why));
  }

 private:
  // The kernel's timeouts (socket(7)) are per call, so each call gets what is left.
  bool arm(int option) {
    const int64_t left_ms = deadline_ms_ - util::mono_now_ms();
    if (left_ms <= 0) return false;
    const timeval time = {left_ms / 1000, (left_ms % 1000) * 1000};
    return setsockopt(fd_.get(), SOL_SOCKET, option, &time, sizeof(time)) == 0;
  }

  absl::Status late() const {
    return no_answer(fmt::format("not within {} s", static_cast<double>(timeout_ms_) / 1000));
  }

  absl::Status failed() const {
    switch (errno) {
      case EAGAIN:
      case EINPROGRESS:
        return late();
      case ENOENT:
      case ECONNREFUSED:
        return no_answer("no process listens there; is sluice running?");
      case EACCES:
        return no_answer("permission denied; it takes root, the process's user, or its group");
      case ECONNRESET:
        return no_answer("the process has closed the connection");
      default:
        return no_answer(std::strerror(errno));
    }
  }

  const std::string& path_;
  const int64_t timeout_ms_;
  const util::MonoTimeMs deadline_ms_;
  net::UniqueFd fd_;
};

// The number behind "Content-Length: " in the head; -1 when there is none.
int64_t body_size_of(std::string_view head) {
  constexpr std::string_view kField = "\r\nContent-Length: ";
  const size_t found = head.find(kField);
  if (found == std::string_view::npos) return -1;
  const std::string_view digits = head.substr(found + kField.size());
  int64_t size = -1;
  std::from_chars(digits.data(), digits.data() + digits.size(), size);
  return size;
}

// What the process sent, taken apart; false when it is not whole.
bool read_answer(std::string_view text, ClientAnswer& answer) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  const size_t head_end = text.find("\r\n\r\n");
  if (!text.starts_with(kVersion) || head_end == std::string_view::npos) return false;
  const std::string_view status = text.substr(kVersion.size(), 3);
  if (std::from_chars(status.data(), status.data() + status.size(), answer.status).ec !=
      std::errc()) {
    return false;
  }
  answer.body = text.substr(head_end + 4);
  return std::cmp_equal(answer.body.size(), body_size_of(text.substr(0, head_end + 2)));
}

}  // namespace

absl::StatusOr<ClientAnswer> ask_process(const std::string& socket, std::string_view method,
                                         std::string_view path, std::string_view body,
                                         int64_t timeout_ms) {
  Stream stream(socket, timeout_ms);
  if (absl::Status status = stream.connect(); !status.ok()) return status;
  const std::string request =
      fmt::format("{} {} HTTP/1.1\r\nHost: sluice\r\nContent-Length: {}\r\n\r\n{}", method, path,
                  body.size(), body);
  if (absl::Status status = stream.send(request); !status.ok()) return status;
  const absl::StatusOr<std::string> text = stream.read_to_end();
  if (!text.ok()) return text.status();
  ClientAnswer answer;
  if (!read_answer(*text, answer)) return stream.no_answer("the connection ended before it");
  return answer;
}

}  // namespace lb::control
