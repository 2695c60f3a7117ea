#include "lb/proxy/flow.h"

#include <poll.h>

#include <cerrno>

#include "lb/proxy/connection.h"

namespace lb::proxy {

void Flow::bind(Connection& connection, Side source) {
  connection_ = &connection;
  source_ = source;
  recv_.bind<&Flow::on_recv>(this);
  send_.bind<&Flow::on_sent>(this);
  watch_.bind<&Flow::on_watch>(this);
}

void Flow::start_reading() { read(); }

void Flow::open_destination() {
  destination_is_open_ = true;
  if (is_holding()) write();
}

void Flow::stop_reading() {
  reads_no_more_ = true;
  connection_->engine().cancel(recv_);
}

void Flow::abandon() {
  has_ended_ = true;
  for (event::Op* op : {static_cast<event::Op*>(&recv_), static_cast<event::Op*>(&send_),
                        static_cast<event::Op*>(&watch_)}) {
    connection_->engine().cancel(*op);
  }
  if (!send_.in_flight()) release();
}

void Flow::read() {
  connection_->engine().recv(recv_, connection_->fd(source_), connection_->buffer_limit_bytes());
}

void Flow::write() {
  connection_->engine().send(send_, connection_->fd(other(source_)), recv_.lease.bytes());
}

void Flow::release() {
  recv_.lease.reset();
  if (is_linked()) unlink();
}

void Flow::on_recv(event::Completion completion) {
  if (has_ended_) {
    recv_.lease.reset();
  } else if (completion.result > 0) {
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

void Flow::on_sent(event::Completion completion) {
  release();
  relayed_bytes_ += send_.sent_bytes;
  connection_->count_bytes(source_, send_.sent_bytes);
  if (has_ended_) {
    // Abandoned while the kernel still had the bytes.
  } else if (completion.result < 0) {
    has_ended_ = true;
    connection_->on_reset(other(source_));
  } else {
    connection_->note_progress();
    if (reads_no_more_) {
      connection_->on_quiet();
    } else {
      read();
    }
  }
  connection_->settle();
}

void Flow::watch_source() {
  // Abandoned while the kernel still has the bytes: nobody would cancel the watch any more.
  if (was_watched_ || has_ended_) return;
  was_watched_ = true;
  // No event asked for: an error is reported always (poll(2)).
  connection_->engine().poll(watch_, connection_->fd(source_), 0);
}

void Flow::on_watch(event::Completion completion) {
  // A hang-up without an error is both FINs, and data may still be there to read.
  const bool is_error = completion.result > 0 && (completion.result & POLLERR) != 0;
  if (!has_ended_ && is_error) connection_->on_reset(source_);
  connection_->settle();
}

bool Flow::has_moved() {
  if (!destination_is_open_) return false;
  const int fd = connection_->fd(other(source_));
  // Everything was taken and delivered: then only what comes anew is activity.
  if (!send_.in_flight() && connection_->engine().unacked_bytes(fd) <= 0) return false;
  const uint64_t acked_bytes = connection_->engine().tcp_state(fd).acked_bytes;
  return std::exchange(acked_bytes_, acked_bytes) != acked_bytes;
}

}  // namespace lb::proxy
