// What the io_uring engine writes into an entry of the submission queue for an operation, and the
// names (user_data) by which it knows completions again: an operation's address, a name of
// UringReceives, or the mailbox's. They differ in their low three bits, which no address has.
#pragma once

#include <liburing.h>

#include <cstdint>

#include "lb/event/op.h"

namespace lb::event {

// Of the poll that wakes the engine up.
inline constexpr uint64_t kMailboxName = 1;
// With this bit it is the request to cancel what has that name.
inline constexpr uint64_t kCancelBit = 4;

inline bool is_cancel(uint64_t name) { return (name & kCancelBit) != 0; }
inline uint64_t cancelled_by(uint64_t name) { return name & ~kCancelBit; }

inline uint64_t name_of(Op& op) { return reinterpret_cast<uint64_t>(&op); }

// Asks for the operation, by its name. Splices are polls: the engine splices itself.
void fill_entry(io_uring_sqe& entry, Op& op);

// Cancels what has that name. Answered only when it fails.
void fill_cancel(io_uring_sqe& entry, uint64_t name);

}  // namespace lb::event
