// Operations: what an owner embeds, one for each thing it can have under way in an engine. An
// operation's address is its name in the kernel, so it must not move or die while in flight.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lb/event/buffer_pool.h"
#include "lb/event/pipe_pool.h"
#include "lb/net/address.h"
#include "lb/util/assert.h"
#include "lb/util/intrusive_list.h"
#include "lb/util/owner_offset.h"

namespace lb::event {

// How an operation ended: `result` is >= 0 or -errno. `more` is true for all but the last
// completion of an operation that completes many times (accept).
struct Completion {
  int32_t result = 0;
  bool more = false;
};

struct OpQueueTag {};

class Op : public util::ListNode<OpQueueTag> {
 public:
  Op() = default;

  // Completions go to `(owner->*Method)(Completion)`; the owner embeds this operation. Bound once,
  // before the first submit.
  template <auto Method, typename Owner>
  void bind(Owner* owner) {
    owner_.set(this, owner);
    handler_ = [](void* self, Completion completion) {
      (static_cast<Owner*>(self)->*Method)(completion);
    };
  }

  // From the submit until the final completion starts.
  bool in_flight() const { return in_flight_; }

 private:
  friend class Engine;

  void (*handler_)(void*, Completion) = nullptr;
  util::OwnerOffset owner_;

 public:
  // What follows belongs to the engine while the operation is in flight.
  enum class Kind : uint8_t {
    kNone,
    kAccept,
    kConnect,
    kRecv,
    kSend,
    kSpliceIn,   // a receive that wants a pipe
    kSpliceOut,  // a send out of one
    kPoll,
  };
  // Where the operation waits: with the kernel, or in one of the engine's own queues.
  enum class Place : uint8_t { kKernel, kQueue, kStarved };

  int fd = -1;
  int32_t stored_result = 0;
  uint16_t events = 0;  // poll(2) bits: a poll's, or what a splice_in was woken for
  Kind kind = Kind::kNone;
  Place place : 4 = Place::kKernel;
  bool cancelled : 1 = false;

 private:
  bool in_flight_ : 1 = false;
};

// Accepts one connection, or many until cancelled; each completion's result is a new descriptor.
struct AcceptOp : Op {
  bool many = false;
};

struct ConnectOp : Op {
  const net::Address* address = nullptr;  // must outlive the operation
};

// Its completion's result is the size of what came, 0 for FIN; `lease`, or `pipe` when one was
// wanted and free, then holds the bytes, and belongs to the owner.
struct RecvOp : Op {
  BufferLease lease;
  PipeLease pipe;
  uint32_t max_bytes = 0;
};

// Completes when all bytes are with the kernel, or with an error. The bytes, or the pipe, stay the
// owner's and must stay in place until then.
struct SendOp : Op {
  union {
    const std::byte* data = nullptr;
    Pipe* pipe;
  };
  uint32_t size_bytes = 0;
  uint32_t sent_bytes = 0;
};

}  // namespace lb::event
