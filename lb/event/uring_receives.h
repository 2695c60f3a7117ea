// Receives of the io_uring engine that stay armed (multishot): one request to the kernel for many
// messages, where a receive of its own for each would poll the socket anew. Behind the contract's
// back nothing changes: the owner sees one completion for each receive that it asks for. What comes
// while nobody asks is kept here, and is bounded by what the owner takes at a time (max_bytes).
//
// An armed receive can sleep through the end of its peer: when bytes and a reset come between its
// first attempt and its arming, it takes the bytes and is not woken any more (Linux 6.18; a Unix
// socket's end is lost likewise). So a poll for that end, the watch, is armed beside the first one
// of a descriptor. Once the watch has told, no receive stays armed there.
//
// Bookkeeping only: the engine owns the ring, the operations and the descriptors.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "lb/event/buffer_pool.h"
#include "lb/event/engine.h"
#include "lb/event/op.h"

namespace lb::event {

class UringReceives {
 public:
  explicit UringReceives(const BufferPool& buffers) : buffers_(buffers) {}

  // Whether this kernel can bound in bytes what an armed receive takes (Linux 6.17). Without that
  // bound a fast sender could fill 32 buffers before the engine gets to run, so no receive stays
  // armed then.
  static bool is_supported();
  void allow() { is_allowed_ = true; }

  // A completion of an armed receive, or of a watch, has the descriptor for its name; no address
  // looks like it.
  static uint64_t name_of(int fd) { return (static_cast<uint64_t>(fd) << 3) | kReceiveTag; }
  static uint64_t watch_name_of(int fd) { return (static_cast<uint64_t>(fd) << 3) | kWatchTag; }
  static bool is_name(uint64_t user_data) {
    return (user_data & 7) == kReceiveTag || is_watch_name(user_data);
  }
  static bool is_watch_name(uint64_t user_data) { return (user_data & 7) == kWatchTag; }
  static int fd_of(uint64_t name) { return static_cast<int>(name >> 3); }

  // What becomes of a receive that is asked for.
  enum class Start {
    kArm,   // the socket has to be asked
    kWait,  // an armed receive will tell
    kTake,  // there is something to take() already
  };
  // Sets op.max_bytes.
  Start start(RecvOp& op, uint32_t max_bytes);
  // Whether a receive that stays armed pays for this descriptor now.
  bool pays(const RecvOp& op) const;
  // Makes the entry an armed receive that `op` waits for. The descriptor must be watched.
  void arm(io_uring_sqe& entry, RecvOp& op);
  bool is_watched(int fd) const;
  // Makes the entry a watch.
  void watch(io_uring_sqe& entry, int fd);
  // A plain receive has ended so: whether the descriptor chats or streams decides how the next one
  // is armed.
  void note_plain(const RecvOp& op, int32_t result);

  // What a completion of an armed receive leads to.
  enum class Next {
    kNothing,
    kComplete,  // `op` completes with the result, and has its lease
    kArm,       // `op` has to be armed
    kStarve,    // `op` waits for a buffer
    kStop,      // the peer has ended: what is armed still at the end of the turn is to be stopped
    kClose,     // finish_closing() says how
  };
  struct Outcome {
    Next next = Next::kNothing;
    RecvOp* op = nullptr;
  };
  Outcome take_in(int fd, int32_t result, bool is_armed_still, BufferLease lease);
  // What the completion of a watch leads to.
  Outcome end_watch(int fd);
  // Moves what came first to the operation, and is its result.
  int32_t take(RecvOp& op);

  // The operation waits no more; false when it did not.
  bool forget(const RecvOp& op);
  // Whether the armed receive, if there is one, has to be cancelled in the kernel: true once.
  bool stop(int fd);
  // What has this name was to be cancelled, and has not ended yet.
  bool is_stopping(uint64_t name) const;

  // Ends the use of a descriptor that nobody receives from any more. How it is to be closed; empty
  // while something is armed, which would hold back the FIN: receive and watch are to be stopped,
  // and the Next of the last one says when to close.
  std::optional<CloseMode> close(int fd, CloseMode mode);
  CloseMode finish_closing(int fd);
  // Descriptors that wait for that.
  std::vector<int> closing() const;

  // An armed receive has taken an error from the socket that its owner does not know yet.
  bool has_failed(int fd) const;

 private:
  static constexpr uint64_t kReceiveTag = 2;
  static constexpr uint64_t kWatchTag = 3;
  // An armed receive takes messages of up to a part of what it may take in all: whoever fills that
  // streams, and does better with plain receives.
  static constexpr uint32_t kParts = 4;
  static constexpr uint32_t kMinPartBytes = 1024;
  // A connection that ends after a few messages does not pay for being watched.
  static constexpr uint8_t kMinShortReceives = 3;

  // What has come while nobody asked.
  struct Ahead {
    std::vector<BufferLease> leases;  // oldest first
    int32_t end = 0;                  // after them: FIN or an error
    bool has_end = false;
  };

  struct Slot {
    RecvOp* waiting = nullptr;
    std::unique_ptr<Ahead> ahead;  // null = nothing
    uint32_t limit_bytes = 0;      // of all that is received ahead
    bool is_armed : 1 = false;
    bool is_stopping : 1 = false;
    bool is_closing : 1 = false;
    bool is_closing_with_reset : 1 = false;
    bool is_watched : 1 = false;
    bool has_hung_up : 1 = false;  // its watch has told
    uint8_t short_receives = 0;  // in a row, up to kMinShortReceives; each filled less than a part
  };

  static Ahead& ahead_of(Slot& slot);
  Slot& slot_of(int fd);
  // Null when there has not been any.
  const Slot* find(int fd) const;
  static void note_size(Slot& slot, int32_t result);
  static bool is_idle(const Slot& slot) { return !slot.is_armed && !slot.is_watched; }
  void keep(Slot& slot, BufferLease lease) const;
  static CloseMode end_of(Slot& slot);

  const BufferPool& buffers_;
  bool is_allowed_ = false;
  std::deque<Slot> slots_;  // by descriptor number; never moved, which would cost idle memory
};

}  // namespace lb::event
