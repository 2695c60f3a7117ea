// A script at one end of a relayed connection: what it sends and when, how it reads, and how it
// leaves. It checks every byte it gets against what the other end's script sends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lb/util/clock.h"
#include "test/sim/sim_schedule.h"
#include "test/sim/sim_socket.h"
#include "test/support/byte_stream.h"

namespace lb::sim {

struct ScriptPlan {
  enum class Leave {
    kFinish,           // FIN after the last byte
    kFinishAfterPeer,  // FIN once the other end's has come
    kFinishAfterHead,  // FIN once the preamble has come
    kReset,            // RST at leave_ms, whatever is going on
    kClose,            // close(2) at leave_ms, whatever is going on
    kNever,            // neither
  };

  uint64_t size_bytes = 0;
  // What it sends first, as far as `size_bytes` go; the rest is random.
  std::string opening = {};
  size_t max_write_bytes = 1;
  size_t max_read_bytes = 1;
  uint32_t max_pause_ms = 0;  // between two steps
  // Bursts and small talk in turn, unless 0: so many bytes as fast as they go, then so many in
  // messages of a few bytes with a pause before each.
  uint64_t burst_bytes = 0;
  uint64_t talk_bytes = 0;
  uint32_t talk_pause_ms = 0;
  Leave leave = Leave::kFinish;
  util::MonoTimeMs leave_ms = 0;
  // From so many received bytes on it reads nothing for so long; kNever = until the end.
  uint64_t stall_after_bytes = UINT64_MAX;
  util::MonoTimeMs stall_ms = 0;

  // Sends all, reads all, and ends with FIN without letting anybody wait for long.
  bool is_benign() const {
    return (leave == Leave::kFinish || leave == Leave::kFinishAfterPeer) && stall_ms < 1000;
  }
  std::string describe() const;
};

class Script {
 public:
  enum class End { kNone, kFIN, kRST };

  // `out_seed` and `in_seed` are of the streams that this end sends and gets.
  Script(SimSchedule& schedule, SimSocket& socket, const ScriptPlan& plan, uint64_t out_seed,
         uint64_t in_seed);
  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;

  void start();
  // What must come before the stream, byte for byte: one of these, none of which begins as another
  // ends. It counts as nobody's.
  void expect_preamble(std::vector<std::string> choices);
  // All of it has come.
  bool has_preamble() const { return preambles_.empty(); }
  // What the stream that comes begins with: the other end's.
  void expect_opening(const std::string& opening) { in_opening_ = opening; }
  // Reads whatever comes from now on, for a run that is over.
  void drain();

  uint64_t sent_bytes() const { return written_bytes_; }
  uint64_t received_bytes() const { return in_.offset(); }
  // Of what was sent, what reached the proxy's kernel.
  uint64_t arrived_bytes() const { return socket_.tcp_state().acked_bytes; }
  bool has_wrong_bytes() const { return has_wrong_bytes_; }
  // FIN was sent, by a shutdown or a close.
  bool has_finished() const { return has_finished_; }
  bool has_reset() const { return has_reset_; }
  // It has closed its socket on its own account, and hears nothing any more.
  bool has_left() const { return has_left_; }
  // How the incoming stream ended.
  End end() const { return end_; }
  // This end is closed, or knows that the other one is gone.
  bool is_over() const { return socket_.is_closed() || end_ == End::kRST; }
  // When it left on its own account.
  util::MonoTimeMs left_ms() const { return left_ms_; }
  std::string describe() const;

 private:
  void step_soon();
  void step();
  bool read();
  void take(std::span<const std::byte> bytes);
  // Takes what is left of the preamble off the front.
  void take_preamble(std::span<const std::byte>& bytes);
  bool write();
  // The size of the next message; 0 = not yet.
  uint64_t next_size();
  void leave();

  SimSchedule& schedule_;
  SimSocket& socket_;
  const ScriptPlan plan_;
  test::ByteStream out_;
  test::ByteStream in_;
  std::vector<std::string> preambles_;  // what is left of each that it may still be
  std::string in_opening_;
  std::string pending_;  // of the outgoing stream, not written yet
  util::MonoTimeMs left_ms_ = 0;
  util::MonoTimeMs next_talk_ms_ = 0;
  bool step_is_scheduled_ = false;
  bool is_stalled_ = false;
  bool has_stalled_ = false;
  bool is_draining_ = false;
  bool has_finished_ = false;
  bool has_reset_ = false;
  bool has_left_ = false;
  bool has_wrong_bytes_ = false;
  bool is_broken_ = false;  // a send was told of a RST
  uint64_t written_bytes_ = 0;
  End end_ = End::kNone;
};

}  // namespace lb::sim
