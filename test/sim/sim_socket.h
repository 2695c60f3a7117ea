// One end of a simulated TCP connection, as the kernel of that end sees it. The two ends know each
// other; bytes, FIN and RST take their time in between. One end is a descriptor of the product, the
// other one a script's. What is modelled is what Linux does, its traps included: an error is told
// once, bytes for a socket that was closed come back as a RST, and a RST drops what is under way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "lb/event/engine.h"
#include "lb/net/address.h"
#include "test/sim/sim_schedule.h"

namespace lb::sim {

// One direction: bytes that were written and not read yet. The first ones have arrived at the
// reader's kernel, the others are still with the writer's.
class SimPipe {
 public:
  SimPipe(size_t send_room_bytes, size_t receive_room_bytes)
      : send_room_bytes_(send_room_bytes), receive_room_bytes_(receive_room_bytes) {}

  // The writer's end. `bytes` must fit into the room there is.
  size_t room() const { return send_room_bytes_ - unacked(); }
  void write(std::span<const std::byte> bytes);
  void finish() { finished_ = true; }
  // What has not arrived never will; the writer, who does not know yet, keeps it.
  void cut();
  size_t unacked() const { return bytes_.size() - head_ - arrived_ + lost_; }
  bool is_finished() const { return finished_; }

  // In between.
  bool can_deliver() const;
  size_t deliverable() const {
    return cut_ ? 0 : std::min(unacked(), receive_room_bytes_ - arrived_);
  }
  void deliver(size_t size_bytes);
  void deliver_fin() { fin_arrived_ = true; }

  // The reader's end. `out` must not be bigger than what is readable.
  size_t readable() const { return arrived_; }
  void read(std::span<std::byte> out);
  // The first readable bytes, which stay there.
  void peek(std::span<std::byte> out) const;
  bool is_full() const { return arrived_ == receive_room_bytes_; }
  bool fin_has_arrived() const { return fin_arrived_; }

  uint64_t total_arrived() const { return total_arrived_; }

 private:
  size_t send_room_bytes_;
  size_t receive_room_bytes_;
  std::vector<std::byte> bytes_;
  size_t head_ = 0;  // bytes_ before it have been read
  size_t arrived_ = 0;
  size_t lost_ = 0;
  uint64_t total_arrived_ = 0;
  bool finished_ = false;
  bool fin_arrived_ = false;
  bool cut_ = false;
};

class SimSocket {
 public:
  // The schedule and the other end must outlive it, but for their destruction.
  SimSocket(SimSchedule& schedule, std::shared_ptr<SimPipe> outgoing,
            std::shared_ptr<SimPipe> incoming);
  SimSocket(const SimSocket&) = delete;
  SimSocket& operator=(const SimSocket&) = delete;

  // Two connected ends, with as much room as the generator chooses.
  static std::pair<std::unique_ptr<SimSocket>, std::unique_ptr<SimSocket>> make_pair(
      SimSchedule& schedule);

  // System calls of a non-blocking socket: >= 0 or -errno.
  int32_t recv(std::span<std::byte> out);
  int32_t peek(std::span<std::byte> out);
  int32_t send(std::span<const std::byte> bytes);
  void shutdown_write();
  void set_low_mark(size_t size_bytes);
  void close(event::CloseMode mode);

  // The poll(2) bits that hold now.
  uint32_t poll_mask() const;
  size_t readable() const { return incoming_->readable(); }
  size_t writable() const { return outgoing_->room(); }
  int64_t unacked_bytes() const { return static_cast<int64_t>(outgoing_->unacked()); }
  net::TcpState tcp_state() const;

  bool is_write_shut() const { return outgoing_->is_finished(); }
  bool is_closed() const { return closed_; }
  // A RST has arrived here, whether or not anybody was told.
  bool was_reset() const { return reset_; }
  // A FIN has arrived here, and everything before it.
  bool has_fin() const { return incoming_->fin_has_arrived(); }

  // Called soon after poll_mask() may have changed, never inside one of the calls above.
  void set_observer(std::function<void()> observer) { observer_ = std::move(observer); }

  void set_addresses(const net::Address& local, const net::Address& peer) {
    local_address_ = local;
    peer_address_ = peer;
  }
  const net::Address& local_address() const { return local_address_; }
  const net::Address& peer_address() const { return peer_address_; }

 private:
  // What there is to tell when nothing is readable.
  int32_t end_of_stream();
  void notify();
  // Keeps what was written here moving to the other end.
  void pump();
  void deliver_some();
  void send_reset();
  void receive_reset();

  SimSchedule& schedule_;
  std::shared_ptr<SimPipe> outgoing_;
  std::shared_ptr<SimPipe> incoming_;
  SimSocket* other_ = nullptr;
  net::Address local_address_;
  net::Address peer_address_;
  std::function<void()> observer_;
  bool pump_is_scheduled_ = false;
  bool notify_is_scheduled_ = false;
  bool closed_ = false;
  bool reset_ = false;          // by the other end
  bool reset_is_sent_ = false;  // by this end
  size_t low_mark_bytes_ = 1;
  int pending_error_ = 0;  // told once, by whichever call comes first (sk_err)
};

}  // namespace lb::sim
