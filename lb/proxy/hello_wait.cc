#include "lb/proxy/hello_wait.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "lb/net/client_hello.h"
#include "lb/proxy/connection.h"

namespace lb::proxy {

HelloWait::HelloWait(Connection& connection) : connection_(connection) {
  poll_.bind<&HelloWait::on_poll>(this);
  timer_.bind<&HelloWait::on_timer>(this);
}

HelloWait::~HelloWait() { LB_ASSERT(!poll_.in_flight() && !timer_.is_running()); }

void HelloWait::begin() {
  deadline_ms_ = connection_.engine().now_ms() + kLimitMs;
  poll();
}

void HelloWait::hurry() {
  if (is_over_) return;
  deadline_ms_ = connection_.engine().now_ms();
  connection_.engine().timers().start(timer_, deadline_ms_);
}

void HelloWait::give_up() {
  is_over_ = true;
  connection_.engine().timers().stop(timer_);
  connection_.engine().cancel(poll_);
}

void HelloWait::poll() {
  connection_.engine().timers().start(timer_, deadline_ms_);
  connection_.engine().poll(poll_, connection_.fd(Side::kDownstream), POLLIN | POLLRDHUP);
}

void HelloWait::on_timer() {
  Connection& connection = connection_;
  if (poll_.in_flight()) {
    connection.engine().cancel(poll_);  // on_poll() finds that it is time
  } else if (connection.engine().now_ms() >= deadline_ms_) {
    finish();
  } else {
    poll();
  }
  connection.settle();
}

void HelloWait::on_poll(event::Completion completion) {
  Connection& connection = connection_;
  if (is_over_) return connection.settle();
  // Not to be looked at after an error: it is reported once, to who receives.
  const bool is_broken = completion.result < 0 || (completion.result & POLLERR) != 0;
  const bool has_ended = (completion.result & (POLLRDHUP | POLLHUP)) != 0;
  const bool is_late = connection.engine().now_ms() >= deadline_ms_;
  const size_t needed_before = needed_bytes_;
  if (is_broken || look() || has_ended || is_late) {
    finish();
  } else if (seen_bytes_ < needed_before) {
    connection.engine().timers().start(
        timer_, std::min(connection.engine().now_ms() + kLookAgainMs, deadline_ms_));
  } else {
    poll();
  }
  connection.settle();
}

bool HelloWait::look() {
  event::Engine& engine = connection_.engine();
  const int fd = connection_.fd(Side::kDownstream);
  std::array<std::byte, net::kMaxHelloBytes> bytes;
  const int32_t there = engine.peek(fd, bytes);
  if (there <= 0) return there != -EAGAIN;
  const auto there_bytes = static_cast<size_t>(there);
  if (std::exchange(seen_bytes_, there_bytes) < there_bytes) connection_.note_progress();
  net::HelloReading reading = net::read_client_hello(std::span(bytes).first(there_bytes));
  if (reading.outcome == net::HelloReading::Outcome::kNeedsMore) {
    needed_bytes_ = reading.needed_bytes;
    engine.set_low_mark(fd, static_cast<uint32_t>(needed_bytes_));
    return false;
  }
  facts_.authority = std::move(reading.hello.server_name);
  if (!reading.hello.protocols.empty()) facts_.alpn = std::move(reading.hello.protocols.front());
  return true;
}

void HelloWait::finish() {
  event::Engine& engine = connection_.engine();
  engine.timers().stop(timer_);
  if (needed_bytes_ > 1) engine.set_low_mark(connection_.fd(Side::kDownstream), 1);
  is_over_ = true;
  connection_.on_hello();  // which may destroy this
}

}  // namespace lb::proxy
