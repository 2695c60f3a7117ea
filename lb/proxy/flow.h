// One direction of a connection: bytes from one side's socket to the other's, at most one leased
// buffer at a time, or one leased pipe while it streams. A direction is data here, not code: both
// run the same routine. The only code that moves bytes.
//
// Its life: reading -> holding -> reading ... -> ended. While it holds, nothing is read, which is
// how a slow reader slows its own sender and nobody else, and why a change between buffer and pipe
// keeps the order by itself: one is empty before the other is asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lb/event/op.h"
#include "lb/proxy/flow_pace.h"
#include "lb/proxy/side.h"
#include "lb/util/clock.h"
#include "lb/util/intrusive_list.h"

namespace lb::proxy {

class Connection;

struct HoldingTag {};

class Flow : public util::ListNode<HoldingTag> {
 public:
  // Bound once, by the connection that embeds it. `source` is the side that it reads from.
  void bind(Connection& connection, Side source);

  // Starts to read from the source. What comes is held until the destination is open.
  void start_reading();
  // The destination is connected: first `preamble` goes out, bytes that count as nobody's and stay
  // in place until Connection::on_preamble_sent(), then what is held.
  void open_destination(std::span<const std::byte> preamble = {});
  // Reads no more; what is held still goes out.
  void stop_reading();
  // Neither reads nor writes any more; what is held is dropped when the kernel lets go of it.
  void abandon();

  // Nothing more will come out of this flow: its FIN was passed on, or it was given up.
  bool has_ended() const { return has_ended_; }
  // Bytes are held that the destination has not taken.
  bool is_holding() const { return is_linked(); }
  // No bytes held and none awaited: nothing will happen any more by itself.
  bool is_quiet() const {
    return !sends_preamble_ && (has_ended_ || (!is_holding() && !recv_.in_flight()));
  }
  bool has_ops_in_flight() const { return recv_.in_flight() || send_.in_flight(); }

  util::MonoTimeMs holding_since_ms() const { return holding_since_ms_; }
  // Bytes that the destination's socket has taken.
  uint64_t relayed_bytes() const { return relayed_bytes_; }
  // Some of them went through a pipe.
  bool has_spliced() const { return has_spliced_; }

  // Watches the source for an error while the flow holds: nobody reads from it then, so nobody
  // else would notice that its peer has gone.
  void watch_source();

  // Whether the destination's peer has acknowledged something since this was last asked. A slow
  // reader may still be taking what a send in flight, or the kernel, holds for it.
  bool has_moved();

 private:
  void on_recv(event::Completion completion);
  void on_sent(event::Completion completion);
  void on_watch(event::Completion completion);
  void on_preamble_sent(int32_t result);
  bool wants_pipe() const;
  void read();
  void write();
  // Lets go of what is held.
  void release();

  Connection* connection_ = nullptr;
  event::RecvOp recv_;  // or the watch of the source, while nothing is to be read
  event::SendOp send_;
  uint64_t relayed_bytes_ = 0;
  util::MonoTimeMs holding_since_ms_ = 0;
  uint32_t acked_bytes_ = 0;  // as has_moved() last saw it: the lower half tells a change
  Side source_ = Side::kDownstream;
  bool destination_is_open_ = false;
  bool sends_preamble_ = false;
  bool reads_no_more_ = false;
  bool has_ended_ = false;
  bool is_watching_ = false;
  bool has_hung_up_ = false;  // nothing more to be watched for
  bool has_spliced_ = false;
  FlowPace pace_;
};

}  // namespace lb::proxy
