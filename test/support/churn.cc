#include "test/support/churn.h"

#include <fmt/format.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "test/support/failure.h"
#include "test/support/socket.h"

namespace lb::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

bool is_absence(int error) { return error == ECONNREFUSED || error == ETIMEDOUT; }

}  // namespace

Churn::Churn(const net::Address& address, int clients, Listener listener)
    : address_(address), listener_(listener) {
  for (int i = 0; i < clients; ++i) {
    threads_.emplace_back([this, i] { run(static_cast<uint64_t>(i)); });
  }
}

Churn::~Churn() { stop(); }

Churn::Outcome Churn::stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  outcome_.served = served_;
  return outcome_;
}

void Churn::run(uint64_t client) {
  for (uint64_t number = 0; !stopping_; ++number) {
    try {
      if (come_and_go(fmt::format("client {} connection {}.", client, number))) {
        ++served_;
      } else {
        const std::lock_guard lock(mutex_);
        ++outcome_.absent;
      }
    } catch (const Failure& failure) {
      note_failure(failure.what());
    }
    std::this_thread::sleep_for(milliseconds(2));
  }
}

bool Churn::come_and_go(const std::string& text) {
  const bool may_be_absent = listener_ == Listener::kMayBeAbsent;
  ConnectOptions options;
  if (may_be_absent) options.patience = milliseconds(300);
  int error = 0;
  const auto start = steady_clock::now();
  Socket socket = Socket::try_connect(address_, options, error);
  const auto duration = std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
  if (may_be_absent && is_absence(error)) return false;
  if (error != 0) throw Failure(errno_text("connect", error));
  if (!may_be_absent) note_connect(socket.fd(), duration);
  socket.send(text);
  const std::string back = socket.recv_exactly(text.size());
  if (back != text) throw Failure("another connection's bytes: " + back);
  socket.finish();
  socket.expect_fin();
  return true;
}

void Churn::note_connect(int fd, milliseconds duration) {
  tcp_info info = {};
  socklen_t size_bytes = sizeof(info);
  ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size_bytes);
  const std::lock_guard lock(mutex_);
  outcome_.retransmitted_syns += info.tcpi_total_retrans;
  outcome_.longest_connect = std::max(outcome_.longest_connect, duration);
}

void Churn::note_failure(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (outcome_.failures++ == 0) outcome_.first_failure = why;
}

}  // namespace lb::test
