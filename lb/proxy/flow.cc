#include "lb/proxy/flow.h"

#include <poll.h>

#include <cerrno>
#include <utility>

#include "lb/proxy/connection.h"

namespace lb::proxy {

void Flow::bind(Connection& connection, Side source) {
  connection_ = &connection;
  source_ = source;
  recv_.bind<&Flow::on_recv>(this);
  send_.bind<&Flow::on_sent>(this);
}

void Flow::start_reading() { read(); }

void Flow::open_destination(std::span<const std::byte> preamble) {
  sends_preamble_ = !preamble.empty();
  if (sends_preamble_) {
    return connection_->engine().send(send_, connection_->fd(other(source_)), preamble);
  }
  destination_is_open_ = true;
  if (is_holding()) write();
}

void Flow::stop_reading() {
  reads_no_more_ = true;
  connection_->engine().cancel(recv_);
}

void Flow::abandon() {
  has_ended_ = true;
  connection_->engine().cancel(recv_);
  connection_->engine().cancel(send_);
  if (!send_.in_flight()) release();
}

bool Flow::wants_pipe() const {
  switch (connection_->splice_mode()) {
    case config::SpliceMode::kOff:
      return false;
    case config::SpliceMode::kAlways:
      return true;
    case config::SpliceMode::kAuto:
      break;
  }
  return pace_.is_streaming();
}

void Flow::read() {
  // The watch goes first: on_watch() reads on.
  if (is_watching_) return connection_->engine().cancel(recv_);
  const int fd = connection_->fd(source_);
  const uint32_t limit_bytes = connection_->buffer_limit_bytes();
  if (wants_pipe()) {
    connection_->engine().splice_in(recv_, fd, limit_bytes);
  } else {
    connection_->engine().recv(recv_, fd, limit_bytes);
  }
}

void Flow::write() {
  const int fd = connection_->fd(other(source_));
  if (recv_.pipe.is_held()) {
    connection_->engine().splice_out(send_, fd, *recv_.pipe);
  } else {
    connection_->engine().send(send_, fd, recv_.lease.bytes());
  }
}

void Flow::release() {
  recv_.lease.reset();
  recv_.pipe.reset();
  if (is_linked()) unlink();
}

void Flow::on_recv(event::Completion completion) {
  if (std::exchange(is_watching_, false)) {
    on_watch(completion);
  } else if (has_ended_) {
    release();
  } else if (completion.result > 0) {
    pace_.note_received(static_cast<uint32_t>(completion.result), recv_.max_bytes);
    connection_->note_bytes(source_);
    holding_since_ms_ = connection_->engine().now_ms();
    connection_->hold(*this);
    if (destination_is_open_) write();
  } else if (completion.result == 0) {
    has_ended_ = true;
    connection_->on_fin(source_);
  } else if (completion.result == -ECANCELED) {
    connection_->on_quiet();
  } else {
    has_ended_ = true;
    connection_->on_reset(source_);
  }
  connection_->settle();
}

void Flow::on_preamble_sent(int32_t result) {
  if (has_ended_) release();
  if (result < 0) {
    if (result == -ECANCELED) return;  // abandoned
    has_ended_ = true;
    release();
    return connection_->on_reset(other(source_));
  }
  destination_is_open_ = true;
  connection_->on_preamble_sent();
  if (!has_ended_ && is_holding()) write();
}

void Flow::on_sent(event::Completion completion) {
  if (std::exchange(sends_preamble_, false)) {
    on_preamble_sent(completion.result);
    return connection_->settle();
  }
  const bool is_spliced = recv_.pipe.is_held();
  has_spliced_ |= is_spliced;
  release();
  relayed_bytes_ += send_.sent_bytes;
  connection_->count_bytes(source_, send_.sent_bytes, is_spliced);
  if (has_ended_) {
    // Abandoned while the kernel still had the bytes.
  } else if (completion.result < 0) {
    has_ended_ = true;
    connection_->on_reset(other(source_));
  } else {
    connection_->note_progress();
    if (reads_no_more_) {
      connection_->engine().cancel(recv_);
      connection_->on_quiet();
    } else {
      read();
    }
  }
  connection_->settle();
}

void Flow::watch_source() {
  if (is_watching_ || has_hung_up_ || has_ended_) return;
  is_watching_ = true;
  // No event asked for: an error is reported always (poll(2)).
  connection_->engine().poll(recv_, connection_->fd(source_), 0);
}

void Flow::on_watch(event::Completion completion) {
  if (has_ended_) return;
  has_hung_up_ = completion.result > 0;
  // A hang-up without an error is both FINs, and data may still be there to read.
  if (has_hung_up_ && (completion.result & POLLERR) != 0) connection_->on_reset(source_);
  if (reads_no_more_) {
    connection_->on_quiet();
  } else if (!has_ended_ && !is_holding()) {
    read();
  }
}

bool Flow::has_moved() {
  if (!destination_is_open_) return false;
  const int fd = connection_->fd(other(source_));
  // Everything was taken and delivered: then only what comes anew is activity.
  if (!send_.in_flight() && connection_->engine().unacked_bytes(fd) <= 0) return false;
  const auto acked_bytes = static_cast<uint32_t>(connection_->engine().tcp_state(fd).acked_bytes);
  return std::exchange(acked_bytes_, acked_bytes) != acked_bytes;
}

}  // namespace lb::proxy
