#include "bench/backend.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "lb/net/socket.h"

namespace lb::bench {
namespace {

constexpr size_t kScratchBytes = 64 * 1024;
constexpr int kAcceptsPerTurn = 64;

}  // namespace

struct Backend::Connection final : Watcher {
  explicit Connection(Backend& owner) : backend(owner) {}

  void on_ready(uint32_t events) override;
  // Each false when the connection is over.
  bool read_first();
  bool read_echo();
  bool read_stream();
  bool flush();
  bool send_echo(const char* bytes, size_t size_bytes);
  bool write_stream();
  bool failed(int64_t error);
  void watch(uint32_t events);
  void answer_total();
  void close();

  Backend& backend;
  net::UniqueFd fd;
  char ask = 0;  // 0 = nothing came yet
  uint32_t watched = 0;
  std::string unsent;  // of an echo
  StreamReader reader;
  StreamWriter writer;
};

void Backend::Connection::watch(uint32_t events) {
  if (events == watched) return;
  watched = events;
  backend.poller_.change(fd.get(), events, *this);
}

void Backend::Connection::on_ready(uint32_t events) {
  bool alive = true;
  if ((events & EPOLLOUT) != 0) alive = ask == kAskEcho ? flush() : write_stream();
  if (alive && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    if (ask == 0) {
      alive = read_first();
    } else {
      alive = ask == kAskEcho ? read_echo() : read_stream();
    }
  }
  if (!alive) close();
}

bool Backend::Connection::failed(int64_t error) {
  if (error == -EAGAIN || error == -EINTR) return false;
  if (error == -EBADMSG) backend.errors_.add(ErrorKind::kWrongBytes);
  return true;
}

bool Backend::Connection::read_first() {
  char first = 0;
  const ssize_t got = recv(fd.get(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got < 0) return !failed(-errno);
  if (got == 0) return false;
  ask = first;
  if (ask == kAskEcho) return read_echo();
  recv(fd.get(), &first, 1, MSG_DONTWAIT);
  reader.skip(1);
  if (ask == kAskSource || ask == kAskBoth) {
    watch(EPOLLIN | EPOLLOUT);
    return write_stream();
  }
  if (ask == kAskSink) return true;
  backend.errors_.add(ErrorKind::kWrongBytes);
  return false;
}

bool Backend::Connection::read_echo() {
  static thread_local std::array<char, kScratchBytes> scratch;
  const ssize_t got = recv(fd.get(), scratch.data(), scratch.size(), MSG_DONTWAIT);
  if (got < 0) return !failed(-errno);
  if (got == 0) return false;
  backend.received_bytes_ += static_cast<uint64_t>(got);
  return send_echo(scratch.data(), static_cast<size_t>(got));
}

bool Backend::Connection::send_echo(const char* bytes, size_t size_bytes) {
  const ssize_t sent = send(fd.get(), bytes, size_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && failed(-errno)) return false;
  const size_t done = sent < 0 ? 0 : static_cast<size_t>(sent);
  if (done == size_bytes) return true;
  // Reads nothing more until this is gone, so what is held stays bounded.
  unsent.assign(bytes + done, size_bytes - done);
  watch(EPOLLOUT);
  return true;
}

bool Backend::Connection::flush() {
  std::string rest;
  rest.swap(unsent);
  watch(EPOLLIN);
  return send_echo(rest.data(), rest.size());
}

bool Backend::Connection::write_stream() {
  const int64_t sent = writer.write_some(fd.get());
  return sent >= 0 || !failed(sent);
}

bool Backend::Connection::read_stream() {
  const int64_t got = reader.read_some(fd.get());
  if (got == 0) answer_total();
  if (got <= 0) return got < 0 && !failed(got);
  backend.received_bytes_ += static_cast<uint64_t>(got);
  return true;
}

void Backend::Connection::answer_total() {
  if (ask != kAskSink) return;
  const uint64_t total = reader.offset();
  send(fd.get(), &total, sizeof(total), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Backend::Connection::close() {
  fd.reset();
  ask = 0;
  unsent.clear();
  reader = {};
  writer = {};
  backend.free_.push_back(this);
}

Backend::Backend(Poller& poller) : poller_(poller) {}

Backend::~Backend() = default;

int Backend::start(Poller& poller, const net::Address& address, std::unique_ptr<Backend>* out) {
  std::unique_ptr<Backend> backend(new Backend(poller));
  if (const int error = net::listen_stream(address, {}, &backend->listener_); error < 0) {
    return error;
  }
  poller.add(backend->listener_.get(), EPOLLIN, *backend);
  *out = std::move(backend);
  return 0;
}

net::Address Backend::address() const { return net::local_address(listener_.get()); }

Backend::Connection& Backend::free_connection() {
  if (free_.empty()) {
    connections_.push_back(std::make_unique<Connection>(*this));
    return *connections_.back();
  }
  Connection& connection = *free_.back();
  free_.pop_back();
  return connection;
}

void Backend::on_ready(uint32_t) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE) errors_.add(ErrorKind::kOutOfDescriptors);
      return;
    }
    Connection& connection = free_connection();
    connection.fd.reset(fd);
    connection.watched = EPOLLIN;
    poller_.add(fd, EPOLLIN, connection);
  }
}

}  // namespace lb::bench
