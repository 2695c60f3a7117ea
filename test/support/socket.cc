#include "test/support/socket.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include "test/support/failure.h"
#include "test/support/scale.h"

namespace lb::test {
namespace {

using std::chrono::steady_clock;

int milliseconds_until(steady_clock::time_point deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now());
  return static_cast<int>(std::max<int64_t>(0, left.count() + 1));
}

// Waits for `events` on `fd`; false at the deadline.
bool poll_until(int fd, short events, int stop_fd, steady_clock::time_point deadline) {
  for (;;) {
    std::array<pollfd, 2> fds = {pollfd{fd, events, 0}, pollfd{stop_fd, POLLIN, 0}};
    const int count = ::poll(fds.data(), fds.size(), milliseconds_until(deadline));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_errno("poll");
    if (fds[1].revents != 0) throw Failure("the test is over");
    if (count > 0) return true;
    if (steady_clock::now() >= deadline) return false;
  }
}

void set_option(int fd, int level, int name, int value) {
  if (::setsockopt(fd, level, name, &value, sizeof(value)) != 0) fail_errno("setsockopt");
}

bool is_tcp(int fd) {
  int domain = 0;
  socklen_t size = sizeof(domain);
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
  return domain == AF_INET || domain == AF_INET6;
}

}  // namespace

Socket::Socket(net::UniqueFd fd, std::chrono::milliseconds patience, int stop_fd)
    : fd_(std::move(fd)), patience_(patience), stop_fd_(stop_fd) {
  if (is_tcp(fd_.get())) set_option(fd_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
}

Socket Socket::connect(const net::Address& address, const ConnectOptions& options) {
  int error = 0;
  Socket socket = try_connect(address, options, error);
  if (error != 0) throw Failure(errno_text("connect to " + address.to_string(), error));
  return socket;
}

Socket Socket::try_connect(const net::Address& address, const ConnectOptions& options, int& error) {
  net::UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) fail_errno("socket");
  if (options.receive_buffer_bytes > 0) {
    set_option(fd.get(), SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes);
  }
  error = 0;
  if (::connect(fd.get(), address.data(), address.size_bytes()) == 0) {
    return Socket(std::move(fd));
  }
  error = errno;
  if (error != EINPROGRESS) return Socket();
  if (!poll_until(fd.get(), POLLOUT, -1, steady_clock::now() + patience(options.patience))) {
    error = ETIMEDOUT;
    return Socket();
  }
  socklen_t size = sizeof(error);
  getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? Socket(std::move(fd)) : Socket();
}

steady_clock::time_point Socket::deadline() const {
  return steady_clock::now() + patience(patience_);
}

void Socket::wait_for(short events, steady_clock::time_point deadline, const char* what) {
  if (!poll_until(fd_.get(), events, stop_fd_, deadline)) {
    throw Failure(std::string(what) + ": nothing happened until the deadline");
  }
}

net::Address Socket::local_address() const {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&storage), &size);
  return net::Address::from_sockaddr(storage, size);
}

net::Address Socket::peer_address() const {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&storage), &size);
  return net::Address::from_sockaddr(storage, size);
}

size_t Socket::send_now(std::span<const std::byte> bytes) {
  const ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (count >= 0) return static_cast<size_t>(count);
  if (errno == EAGAIN || errno == EINTR) return 0;
  fail_errno("send");
}

void Socket::send(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const size_t count = send_now(bytes);
    bytes = bytes.subspan(count);
    if (count == 0) wait_for(POLLOUT, deadline(), "send");
  }
}

void Socket::send_stream(ByteStream& stream, uint64_t size_bytes, size_t chunk_bytes) {
  std::vector<std::byte> chunk(std::min<uint64_t>(chunk_bytes, size_bytes));
  while (size_bytes > 0) {
    const auto part = std::span(chunk).first(std::min<uint64_t>(chunk.size(), size_bytes));
    stream.fill(part);
    send(part);
    size_bytes -= part.size();
  }
}

ssize_t Socket::recv_raw(std::span<std::byte> buffer, steady_clock::time_point deadline) {
  for (;;) {
    const ssize_t count = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (count >= 0) return count;
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return -errno;
    wait_for(POLLIN, deadline, "recv");
  }
}

std::string Socket::recv_some(size_t max_bytes) {
  std::string text(max_bytes, '\0');
  const ssize_t count = recv_raw(std::as_writable_bytes(std::span(text)), deadline());
  if (count < 0) throw Failure(errno_text("recv", static_cast<int>(-count)));
  text.resize(static_cast<size_t>(count));
  return text;
}

std::string Socket::recv_exactly(size_t size_bytes) {
  std::string text;
  while (text.size() < size_bytes) {
    const std::string part = recv_some(size_bytes - text.size());
    if (part.empty()) {
      throw Failure("FIN after " + std::to_string(text.size()) + " of " +
                    std::to_string(size_bytes) + " bytes");
    }
    text += part;
  }
  return text;
}

void Socket::recv_stream(ByteStream& stream, uint64_t size_bytes) {
  std::vector<std::byte> buffer(std::min<uint64_t>(256 * 1024, size_bytes));
  while (size_bytes > 0) {
    const auto part = std::span(buffer).first(std::min<uint64_t>(buffer.size(), size_bytes));
    const ssize_t count = recv_raw(part, deadline());
    const std::string where = " at byte " + std::to_string(stream.offset());
    if (count == 0) throw Failure("FIN" + where);
    if (count < 0) throw Failure(errno_text("recv" + where, static_cast<int>(-count)));
    if (!stream.matches(part.first(static_cast<size_t>(count)))) {
      throw Failure("wrong byte at " + std::to_string(stream.offset()));
    }
    size_bytes -= static_cast<uint64_t>(count);
  }
}

Socket::End Socket::recv_to_end(const std::function<void(std::span<const std::byte>)>& consume,
                                std::optional<std::chrono::milliseconds> patience) {
  const auto until = patience.has_value() ? steady_clock::now() + *patience : deadline();
  std::vector<std::byte> buffer(256 * 1024);
  for (;;) {
    const ssize_t count = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (count > 0) {
      consume(std::span(buffer).first(static_cast<size_t>(count)));
    } else if (count == 0) {
      return End::kFIN;
    } else if (errno == EAGAIN) {
      if (!poll_until(fd_.get(), POLLIN, stop_fd_, until)) return End::kNone;
    } else if (errno == ECONNRESET || errno == EPIPE) {
      return End::kRST;
    } else if (errno != EINTR) {
      fail_errno("recv");
    }
  }
}

void Socket::expect_fin() {
  const std::string text = recv_some(1024);
  if (!text.empty()) throw Failure("bytes instead of a FIN: " + text);
}

void Socket::expect_reset() {
  std::array<std::byte, 1024> buffer;
  const ssize_t count = recv_raw(buffer, deadline());
  if (count == 0) throw Failure("FIN instead of a RST");
  if (count > 0) throw Failure("bytes instead of a RST");
  if (count != -ECONNRESET) {
    throw Failure(errno_text("instead of a RST", static_cast<int>(-count)));
  }
}

void Socket::expect_silence(std::chrono::milliseconds duration) {
  if (poll_until(fd_.get(), POLLIN | POLLRDHUP, stop_fd_, steady_clock::now() + duration)) {
    throw Failure("something came where silence was expected");
  }
}

void Socket::finish() {
  if (::shutdown(fd_.get(), SHUT_WR) != 0) fail_errno("shutdown");
}

void Socket::reset() {
  const linger abort = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
  fd_.reset();
}

void Socket::set_receive_buffer(int size_bytes) {
  set_option(fd_.get(), SOL_SOCKET, SO_RCVBUF, size_bytes);
}

uint64_t Socket::unacknowledged_bytes() const {
  int count = 0;
  if (::ioctl(fd_.get(), SIOCOUTQ, &count) != 0) fail_errno("ioctl(SIOCOUTQ)");
  return static_cast<uint64_t>(count);
}

void Socket::wait_acknowledged() {
  const auto until = deadline();
  while (unacknowledged_bytes() > 0) {
    if (steady_clock::now() >= until) throw Failure("the other end does not acknowledge");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

net::Address ip_address(std::string_view ip, uint16_t port) {
  const auto address = net::Address::parse(ip, port);
  if (!address.ok()) throw Failure("not an address: " + std::string(ip));
  return *address;
}

net::Address unix_address(std::string_view path) {
  const auto address = net::Address::from_unix_path(path);
  if (!address.ok()) throw Failure("not a path of a unix socket: " + std::string(path));
  return *address;
}

}  // namespace lb::test
