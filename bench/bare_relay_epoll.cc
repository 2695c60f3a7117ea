// The floor of the epoll engine: level-triggered, one recv and one send per message, TCP_NODELAY
// inherited from the listener. With pipes instead of a buffer it is the floor of splice(2).
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/bare_relay.h"
#include "bench/poller.h"
#include "lb/net/fd.h"
#include "lb/net/socket.h"

namespace lb::bench {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;
constexpr int kPipeBytes = 256 * 1024;
constexpr size_t kSpliceBytes = 1024 * 1024;
constexpr int64_t kForeverNs = 3'600'000'000'000;

class Relay;
struct Pair;

struct Pipe {
  net::UniqueFd out;
  net::UniqueFd in;
  size_t held_bytes = 0;
};

// One end of a relayed connection. What it reads goes to `other`.
struct End final : Watcher {
  void on_ready(uint32_t events) override;
  void watch(uint32_t events);
  // Each false when the connection is over.
  bool forward();
  bool forward_spliced();
  bool drain();
  bool drain_pipe();
  bool end_of_stream();

  Relay* relay = nullptr;
  Pair* pair = nullptr;
  End* other = nullptr;
  net::UniqueFd fd;
  uint32_t watched = EPOLLIN;
  bool has_ended = false;
  std::string held;  // read from the other end, and not accepted by this one yet
  Pipe pipe;         // the same, for splice
};

struct Pair {
  std::array<End, 2> ends;
};

class Relay final : public Watcher {
 public:
  Relay(const std::vector<net::Address>& to, bool splices) : to_(to), splices_(splices) {}

  int run(const net::Address& listen) {
    if (const int error = net::listen_stream(listen, {}, &listener_); error < 0) return error;
    poller_.add(listener_.get(), EPOLLIN, *this);
    for (;;) {
      poller_.turn(kForeverNs);
      // Not before the turn is over: events of it may still name an end of the pair.
      for (Pair* pair : over_) free_.push_back(pair);
      over_.clear();
    }
  }

  void on_ready(uint32_t) override {
    const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) open(net::UniqueFd(fd));
  }

  void open(net::UniqueFd client) {
    const net::Address& to = to_[next_++ % to_.size()];
    net::UniqueFd server(net::open_stream_socket(to.family()));
    if (!server.is_open()) return;
    if (connect(server.get(), to.data(), to.size_bytes()) != 0 && errno != EINPROGRESS) return;
    Pair& pair = free_pair();
    pair.ends[0].fd = std::move(client);
    pair.ends[1].fd = std::move(server);
    for (End& end : pair.ends) {
      if (splices_ && !make_pipe(&end.pipe)) return;
      poller_.add(end.fd.get(), EPOLLIN, end);
    }
  }

  static bool make_pipe(Pipe* pipe) {
    if (pipe->out.is_open()) return true;
    int fds[2];
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) return false;
    fcntl(fds[1], F_SETPIPE_SZ, kPipeBytes);
    pipe->out.reset(fds[0]);
    pipe->in.reset(fds[1]);
    return true;
  }

  Pair& free_pair() {
    if (!free_.empty()) {
      Pair* pair = free_.back();
      free_.pop_back();
      return *pair;
    }
    pairs_.push_back(std::make_unique<Pair>());
    Pair& pair = *pairs_.back();
    for (size_t i = 0; i < 2; ++i) {
      pair.ends[i].relay = this;
      pair.ends[i].pair = &pair;
      pair.ends[i].other = &pair.ends[1 - i];
    }
    return pair;
  }

  void close(End& end) {
    if (!end.fd.is_open()) return;
    for (End* each : {&end, end.other}) {
      each->fd.reset();
      each->watched = EPOLLIN;
      each->has_ended = false;
      each->held.clear();
      if (each->pipe.held_bytes > 0) each->pipe = {};
    }
    over_.push_back(end.pair);
  }

  Poller& poller() { return poller_; }
  bool splices() const { return splices_; }

 private:
  const std::vector<net::Address> to_;
  size_t next_ = 0;
  const bool splices_;
  Poller poller_;
  net::UniqueFd listener_;
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::vector<Pair*> free_;
  std::vector<Pair*> over_;
};

void End::watch(uint32_t events) {
  if (events == watched) return;
  watched = events;
  relay->poller().change(fd.get(), events, *this);
}

void End::on_ready(uint32_t events) {
  if (!fd.is_open()) return;
  bool alive = true;
  if ((events & EPOLLOUT) != 0) alive = relay->splices() ? drain_pipe() : drain();
  if (alive && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !has_ended) {
    alive = relay->splices() ? forward_spliced() : forward();
  }
  if (!alive) relay->close(*this);
}

bool End::end_of_stream() {
  has_ended = true;
  if (other->has_ended) return false;
  watch(watched & ~static_cast<uint32_t>(EPOLLIN));
  return shutdown(other->fd.get(), SHUT_WR) == 0;
}

bool End::forward() {
  static std::array<char, kBufferBytes> buffer;
  const ssize_t got = recv(fd.get(), buffer.data(), buffer.size(), 0);
  if (got < 0) return errno == EAGAIN;
  if (got == 0) return end_of_stream();
  const ssize_t sent = send(other->fd.get(), buffer.data(), static_cast<size_t>(got), MSG_NOSIGNAL);
  if (sent == got) return true;
  if (sent < 0 && errno != EAGAIN) return false;
  const ssize_t done = sent < 0 ? 0 : sent;
  other->held.assign(buffer.data() + done, static_cast<size_t>(got - done));
  watch(watched & ~static_cast<uint32_t>(EPOLLIN));
  other->watch(other->watched | EPOLLOUT);
  return true;
}

bool End::drain() {
  const ssize_t sent = send(fd.get(), held.data(), held.size(), MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN;
  held.erase(0, static_cast<size_t>(sent));
  if (!held.empty()) return true;
  watch(watched & ~static_cast<uint32_t>(EPOLLOUT));
  other->watch(other->watched | EPOLLIN);
  return true;
}

bool End::forward_spliced() {
  Pipe& to = other->pipe;
  const ssize_t got = splice(fd.get(), nullptr, to.in.get(), nullptr, kSpliceBytes,
                             SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
  if (got == 0) return end_of_stream();
  if (got < 0 && errno != EAGAIN) return false;
  if (got < 0 && to.held_bytes == 0) return true;
  if (got > 0) to.held_bytes += static_cast<size_t>(got);
  return other->drain_pipe();
}

bool End::drain_pipe() {
  while (pipe.held_bytes > 0) {
    const ssize_t sent = splice(pipe.out.get(), nullptr, fd.get(), nullptr, pipe.held_bytes,
                                SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (sent <= 0 && errno != EAGAIN) return false;
    if (sent <= 0) {
      other->watch(other->watched & ~static_cast<uint32_t>(EPOLLIN));
      watch(watched | EPOLLOUT);
      return true;
    }
    pipe.held_bytes -= static_cast<size_t>(sent);
  }
  watch(watched & ~static_cast<uint32_t>(EPOLLOUT));
  if (!other->has_ended) other->watch(other->watched | EPOLLIN);
  return true;
}

}  // namespace

int relay_by_epoll(const net::Address& listen, const std::vector<net::Address>& to) {
  return Relay(to, false).run(listen);
}

int relay_by_splice(const net::Address& listen, const std::vector<net::Address>& to) {
  return Relay(to, true).run(listen);
}

}  // namespace lb::bench
