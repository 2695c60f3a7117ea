#include "test/sim/sim_socket.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "lb/util/assert.h"

namespace lb::sim {

void SimPipe::write(std::span<const std::byte> bytes) {
  LB_ASSERT(bytes.size() <= room() && !finished_);
  if (cut_) {
    lost_ += bytes.size();
    return;
  }
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

void SimPipe::cut() {
  if (std::exchange(cut_, true)) return;
  lost_ = unacked();
  bytes_.resize(head_ + arrived_);
}

bool SimPipe::can_deliver() const {
  if (cut_ || fin_arrived_) return false;
  return deliverable() > 0 || (finished_ && unacked() == 0);
}

void SimPipe::deliver(size_t size_bytes) {
  LB_ASSERT(size_bytes <= deliverable());
  arrived_ += size_bytes;
  total_arrived_ += size_bytes;
}

void SimPipe::peek(std::span<std::byte> out) const {
  LB_ASSERT(out.size() <= arrived_);
  const auto begin = bytes_.begin() + static_cast<std::ptrdiff_t>(head_);
  std::copy(begin, begin + static_cast<std::ptrdiff_t>(out.size()), out.begin());
}

void SimPipe::read(std::span<std::byte> out) {
  peek(out);
  head_ += out.size();
  arrived_ -= out.size();
  // Moving what is left up is worth it once it is the smaller part.
  if (head_ < bytes_.size() - head_) return;
  bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
  head_ = 0;
}

SimSocket::SimSocket(SimSchedule& schedule, std::shared_ptr<SimPipe> outgoing,
                     std::shared_ptr<SimPipe> incoming)
    : schedule_(schedule), outgoing_(std::move(outgoing)), incoming_(std::move(incoming)) {}

std::pair<std::unique_ptr<SimSocket>, std::unique_ptr<SimSocket>> SimSocket::make_pair(
    SimSchedule& schedule) {
  const SimOptions& options = schedule.options();
  const auto room = [&]() -> size_t {
    const size_t span = options.max_socket_bytes - options.min_socket_bytes + 1;
    return options.min_socket_bytes + schedule.random().below(span);
  };
  auto there = std::make_shared<SimPipe>(room(), room());
  auto back = std::make_shared<SimPipe>(room(), room());
  auto one = std::make_unique<SimSocket>(schedule, there, back);
  auto two = std::make_unique<SimSocket>(schedule, back, there);
  one->other_ = two.get();
  two->other_ = one.get();
  return {std::move(one), std::move(two)};
}

int32_t SimSocket::recv(std::span<std::byte> out) {
  LB_ASSERT(!closed_);
  const size_t size_bytes = std::min(out.size(), incoming_->readable());
  if (size_bytes > 0) {
    incoming_->read(out.first(size_bytes));
    other_->pump();
    return static_cast<int32_t>(size_bytes);
  }
  return end_of_stream();
}

int32_t SimSocket::peek(std::span<std::byte> out) {
  LB_ASSERT(!closed_);
  const size_t size_bytes = std::min(out.size(), incoming_->readable());
  if (size_bytes == 0) return end_of_stream();
  incoming_->peek(out.first(size_bytes));
  return static_cast<int32_t>(size_bytes);
}

int32_t SimSocket::end_of_stream() {
  if (incoming_->fin_has_arrived()) return 0;
  if (pending_error_ != 0) return -std::exchange(pending_error_, 0);
  // Linux: once the error has been told, by a send for example, the end looks like a FIN.
  return reset_ ? 0 : -EAGAIN;
}

int32_t SimSocket::send(std::span<const std::byte> bytes) {
  LB_ASSERT(!closed_);
  if (pending_error_ != 0) return -std::exchange(pending_error_, 0);
  if (reset_ || outgoing_->is_finished()) return -EPIPE;
  const size_t size_bytes = std::min(bytes.size(), outgoing_->room());
  if (size_bytes == 0 && !bytes.empty()) return -EAGAIN;
  outgoing_->write(bytes.first(size_bytes));
  pump();
  return static_cast<int32_t>(size_bytes);
}

void SimSocket::shutdown_write() {
  LB_ASSERT(!closed_);
  outgoing_->finish();
  pump();
}

void SimSocket::set_low_mark(size_t size_bytes) {
  LB_ASSERT(!closed_);
  low_mark_bytes_ = size_bytes;
  notify();
}

void SimSocket::close(event::CloseMode mode) {
  LB_ASSERT(!closed_);
  closed_ = true;
  observer_ = nullptr;
  if (reset_) return;
  // tcp_close(): unread bytes make a RST of any close, and a RST needs a connection that is not
  // over yet (tcp_need_reset()).
  const bool is_over =
      incoming_->fin_has_arrived() && outgoing_->is_finished() && outgoing_->unacked() == 0;
  const bool wants_reset = mode == event::CloseMode::kReset || incoming_->readable() > 0;
  if (wants_reset && !is_over) return send_reset();
  outgoing_->finish();
  pump();
}

uint32_t SimSocket::poll_mask() const {
  uint32_t mask = 0;
  // Linux: a window that is closed is told below the mark as well, for nothing more can come.
  const bool has_enough = incoming_->readable() >= low_mark_bytes_ || incoming_->is_full();
  if (incoming_->readable() > 0 && has_enough) mask |= POLLIN;
  if (incoming_->fin_has_arrived()) mask |= POLLIN | POLLRDHUP;
  if (outgoing_->room() > 0) mask |= POLLOUT;
  if (incoming_->fin_has_arrived() && outgoing_->is_finished()) mask |= POLLHUP;
  if (reset_) mask |= POLLIN | POLLOUT | POLLRDHUP | POLLHUP;
  if (pending_error_ != 0) mask |= POLLERR;
  return mask;
}

net::TcpState SimSocket::tcp_state() const {
  net::TcpState state;
  state.acked_bytes = outgoing_->total_arrived();
  state.received_bytes = incoming_->total_arrived();
  state.rtt_us = 1000;
  return state;
}

void SimSocket::notify() {
  if (notify_is_scheduled_ || closed_) return;
  notify_is_scheduled_ = true;
  schedule_.after(0, [this] {
    notify_is_scheduled_ = false;
    const auto observer = observer_;  // it may be replaced by what it does
    if (observer) observer();
  });
}

void SimSocket::pump() {
  if (pump_is_scheduled_ || !outgoing_->can_deliver()) return;
  pump_is_scheduled_ = true;
  schedule_.soon([this] {
    pump_is_scheduled_ = false;
    deliver_some();
  });
}

void SimSocket::deliver_some() {
  if (!outgoing_->can_deliver()) return;
  if (const size_t most = outgoing_->deliverable(); most > 0) {
    outgoing_->deliver(schedule_.random_size(most));
    // Nobody will ever read them: tcp_rcv_state_process() answers with a RST.
    if (other_->closed_) return other_->send_reset();
  }
  const bool all_arrived = outgoing_->unacked() == 0;
  // A FIN comes with the last bytes or after them.
  if (all_arrived && outgoing_->is_finished() && schedule_.random().one_in(2)) {
    outgoing_->deliver_fin();
  }
  notify();  // there is room again
  other_->notify();
  pump();
}

void SimSocket::send_reset() {
  if (reset_is_sent_) return;
  reset_is_sent_ = true;
  outgoing_->cut();
  incoming_->cut();
  schedule_.soon([this] { other_->receive_reset(); });
}

void SimSocket::receive_reset() {
  if (closed_ || reset_) return;
  reset_ = true;
  // tcp_reset(): after a FIN there is nothing left to read, so only writers are told.
  pending_error_ = incoming_->fin_has_arrived() ? EPIPE : ECONNRESET;
  outgoing_->cut();
  notify();
}

}  // namespace lb::sim
