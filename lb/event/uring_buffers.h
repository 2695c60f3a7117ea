// The ring of buffers from which the kernel takes one for each receive that has bytes
// (io_uring_register_buf_ring(3)). It is used in order, so its whole length is the working set of
// the cache: it is short, and topped up each turn. Buffers are leased from the pool while they are
// in it.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <vector>

#include "lb/event/buffer_pool.h"

namespace lb::event {

class UringBuffers {
 public:
  static constexpr uint16_t kGroup = 0;

  explicit UringBuffers(BufferPool& pool) : pool_(pool) {}
  UringBuffers(const UringBuffers&) = delete;
  UringBuffers& operator=(const UringBuffers&) = delete;
  // The ring must be closed by then.
  ~UringBuffers();

  // Of `entries`, rounded down to a power of two. 0 or -errno.
  int set_up(io_uring& ring, uint32_t entries);
  // Fills it as far as the pool goes; how many buffers are in it then.
  size_t top_up();
  // What a completion carries out of the ring; nothing when it carries no buffer or no bytes.
  BufferLease take_out(int32_t result, uint32_t flags);

 private:
  BufferPool& pool_;
  io_uring_buf_ring* ring_ = nullptr;
  uint32_t entries_ = 0;
  std::vector<BufferLease> leases_;  // by buffer id; empty where the kernel has taken it
  std::vector<uint16_t> empty_ids_;  // to be topped up
};

}  // namespace lb::event
