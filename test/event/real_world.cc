#include "test/event/real_world.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "lb/event/engine_factory.h"
#include "lb/net/socket.h"
#include "test/support/blackhole.h"
#include "test/support/failure.h"
#include "test/support/socket.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

class RealPeer final : public Peer {
 public:
  explicit RealPeer(net::UniqueFd fd) : fd_(std::move(fd)) {}

  ssize_t write(std::span<const std::byte> bytes) override {
    return result_of(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
  }
  ssize_t read(std::span<std::byte> bytes) override {
    return result_of(::recv(fd_.get(), bytes.data(), bytes.size(), 0));
  }
  size_t unacked() override { return static_cast<size_t>(net::unacked_bytes(fd_.get())); }
  void finish() override { ::shutdown(fd_.get(), SHUT_WR); }
  void reset() override {
    net::arm_reset(fd_.get());
    fd_.reset();
  }
  void close() override { fd_.reset(); }

 private:
  static ssize_t result_of(ssize_t result) { return result >= 0 ? result : -errno; }

  net::UniqueFd fd_;
};

class RealWorld final : public World {
 public:
  RealWorld(event::EngineKind kind, const event::EngineOptions& options) {
    auto made = event::make_engine(kind, options);
    if (!made.ok()) throw Failure(made.status().ToString());
    engine_ = std::move(*made);
    pairs_ = listen_on(ip_address("127.0.0.1", 0));
  }
  ~RealWorld() override { allow_fds(); }

  event::Engine& engine() override { return *engine_; }

  Pair make_pair() override {
    net::UniqueFd far = dial_fd(net::local_address(pairs_.get()));
    const int near = accept4(pairs_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (near < 0) fail_errno("accept");
    return {near, std::make_unique<RealPeer>(std::move(far))};
  }

  int make_listener(int backlog) override {
    return listen_on(ip_address("127.0.0.1", 0), backlog).release();
  }

  net::Address address_of(int listen_fd) override { return net::local_address(listen_fd); }

  std::unique_ptr<Peer> dial(int listen_fd) override {
    return std::make_unique<RealPeer>(dial_fd(net::local_address(listen_fd)));
  }

  net::Address refusing_address() override {
    if (!refusing_.is_open()) {
      refusing_ = net::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const net::Address any = ip_address("127.0.0.1", 0);
      if (::bind(refusing_.get(), any.data(), any.size_bytes()) != 0) fail_errno("bind");
    }
    return net::local_address(refusing_.get());
  }

  net::Address silent_address() override {
    if (!silent_) silent_ = std::make_unique<Blackhole>();
    return silent_->address();
  }

  void limit_fds(size_t more) override {
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    saved_limit_ = limit.rlim_cur;
    const int lowest_free = ::fcntl(0, F_DUPFD_CLOEXEC, 0);
    limit.rlim_cur = static_cast<rlim_t>(lowest_free) + 1 + more;
    ::close(lowest_free);
    // No number below the limit is free but these.
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail_errno("setrlimit");
    for (;;) {
      net::UniqueFd filler(::fcntl(pairs_.get(), F_DUPFD_CLOEXEC, 0));
      if (!filler.is_open()) break;
      fillers_.push_back(std::move(filler));
    }
    fillers_.resize(fillers_.size() - std::min(more, fillers_.size()));
  }

  void allow_fds() override {
    if (saved_limit_ == 0) return;
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::exchange(saved_limit_, 0);
    setrlimit(RLIMIT_NOFILE, &limit);
    fillers_.clear();
  }

  util::MonoTimeMs clock_ms() override { return util::mono_now_ms(); }

 private:
  static net::UniqueFd dial_fd(const net::Address& address) {
    net::UniqueFd fd(net::open_stream_socket(AF_INET));
    if (!fd.is_open()) fail_errno("socket");
    if (::connect(fd.get(), address.data(), address.size_bytes()) != 0 && errno != EINPROGRESS) {
      fail_errno("connect");
    }
    pollfd query = {fd.get(), POLLOUT, 0};
    if (::poll(&query, 1, 5000) != 1) throw Failure("connect: no answer");
    return fd;
  }

  std::unique_ptr<event::Engine> engine_;
  net::UniqueFd pairs_;
  net::UniqueFd refusing_;
  std::unique_ptr<Blackhole> silent_;
  std::vector<net::UniqueFd> fillers_;
  rlim_t saved_limit_ = 0;
};

}  // namespace

std::unique_ptr<World> make_real_world(const std::string& name,
                                       const event::EngineOptions& options) {
  const auto kind = name == "epoll" ? event::EngineKind::kEpoll : event::EngineKind::kUring;
  return std::make_unique<RealWorld>(kind, options);
}

}  // namespace lb::test
