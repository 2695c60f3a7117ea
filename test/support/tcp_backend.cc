#include "test/support/tcp_backend.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <exception>
#include <utility>
#include <vector>

#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/port_allocator.h"

namespace lb::test {

net::UniqueFd listen_on(const net::Address& address, int backlog) {
  net::UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) fail_errno("socket");
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(fd.get(), address.data(), address.size_bytes()) != 0) {
    fail_errno("bind " + address.to_string());
  }
  if (::listen(fd.get(), backlog) != 0) fail_errno("listen");
  return fd;
}

TcpBackend::TcpBackend(Script script)
    : TcpBackend(std::move(script), ip_address("127.0.0.1", allocate_port())) {}

TcpBackend::TcpBackend(Script script, const net::Address& address)
    : script_(std::move(script)),
      address_(address),
      listener_(listen_on(address)),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      acceptor_([this] { accept_loop(); }) {}

TcpBackend::~TcpBackend() {
  ::eventfd_write(stop_.get(), 1);
  acceptor_.join();
}

void TcpBackend::accept_loop() {
  struct Running {
    std::atomic<bool> finished = false;
    std::thread thread;
  };
  std::list<Running> running;
  for (;;) {
    std::array<pollfd, 2> fds = {pollfd{listener_.get(), POLLIN, 0},
                                 pollfd{stop_.get(), POLLIN, 0}};
    ::poll(fds.data(), fds.size(), -1);
    if (fds[1].revents != 0) break;
    net::UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.is_open()) continue;
    ++accepted_;
    Running& script = running.emplace_back();
    script.thread = std::thread(
        [this, &script, socket = Socket(std::move(fd), kSocketPatience, stop_.get())]() mutable {
          run(std::move(socket));
          script.finished = true;
        });
    // A finished thread keeps its stack until it is joined, and some tests open thousands.
    running.remove_if([](Running& old) {
      if (!old.finished) return false;
      old.thread.join();
      return true;
    });
  }
  for (Running& script : running) script.thread.join();
}

void TcpBackend::run(Socket socket) {
  try {
    script_(socket);
    socket.close();
  } catch (const std::exception& error) {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = error.what();
  }
  ++finished_;
}

void TcpBackend::wait_finished(int count) {
  const bool done = eventually([&] { return accepted_ >= count && finished_ == accepted_; },
                               std::chrono::seconds(30));
  check();
  if (!done) {
    throw Failure("backend: " + std::to_string(accepted_) + " accepted and " +
                  std::to_string(finished_) + " finished of " + std::to_string(count));
  }
}

void TcpBackend::check() {
  const std::lock_guard lock(mutex_);
  if (!failure_.empty()) throw Failure("backend: " + failure_);
}

void echo(Socket& socket) {
  for (;;) {
    const std::string text = socket.recv_some();
    if (text.empty()) break;
    socket.send(text);
  }
  socket.finish();
}

void hold(Socket& socket) {
  socket.recv_to_end([](std::span<const std::byte>) {}, std::chrono::minutes(10));
}

}  // namespace lb::test
