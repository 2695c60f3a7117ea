#include "lb/event/uring_buffers.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

namespace lb::event {

UringBuffers::~UringBuffers() {
  if (ring_ != nullptr) munmap(ring_, entries_ * sizeof(io_uring_buf));
}

int UringBuffers::set_up(io_uring& ring, uint32_t entries) {
  entries_ = std::bit_floor(std::min(entries, pool_.max_buffers()));
  void* memory = mmap(nullptr, entries_ * sizeof(io_uring_buf), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return -errno;
  ring_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_reg registration = {};
  registration.ring_addr = reinterpret_cast<uint64_t>(memory);
  registration.ring_entries = entries_;
  registration.bgid = kGroup;
  if (const int error = io_uring_register_buf_ring(&ring, &registration, 0); error < 0) {
    return error;
  }
  io_uring_buf_ring_init(ring_);
  leases_.resize(entries_);
  empty_ids_.reserve(entries_);
  for (uint32_t id = entries_; id-- > 0;) empty_ids_.push_back(static_cast<uint16_t>(id));
  return 0;
}

size_t UringBuffers::top_up() {
  const int mask = io_uring_buf_ring_mask(entries_);
  int added = 0;
  while (!empty_ids_.empty()) {
    BufferLease lease = pool_.take();
    if (!lease.is_held()) break;
    const uint16_t id = empty_ids_.back();
    empty_ids_.pop_back();
    io_uring_buf_ring_add(ring_, lease.data(), pool_.buffer_size_bytes(), id, mask, added++);
    leases_[id] = std::move(lease);
  }
  if (added > 0) io_uring_buf_ring_advance(ring_, added);
  return entries_ - empty_ids_.size();
}

BufferLease UringBuffers::take_out(int32_t result, uint32_t flags) {
  if ((flags & IORING_CQE_F_BUFFER) == 0) return {};
  const auto id = static_cast<uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
  empty_ids_.push_back(id);
  BufferLease lease = std::move(leases_[id]);
  if (result <= 0) return {};
  lease.set_size_bytes(static_cast<uint32_t>(result));
  return lease;
}

}  // namespace lb::event
