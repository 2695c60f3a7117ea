#include "lb/event/buffer_pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <utility>

#include "lb/util/assert.h"

namespace lb::event {

BufferPool::BufferPool(uint32_t max_buffers, uint32_t buffer_size_bytes)
    : buffer_size_bytes_(buffer_size_bytes), max_buffers_(max_buffers) {
  LB_ASSERT(max_buffers_ > 0 && buffer_size_bytes_ > 0);
  for (; max_buffers_ > 0; max_buffers_ /= 2) {
    const size_t size_bytes = static_cast<size_t>(max_buffers_) * buffer_size_bytes_;
    void* memory = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) continue;
    // Huge pages would make one byte of an idle buffer cost 2 MiB.
    madvise(memory, size_bytes, MADV_NOHUGEPAGE);
    base_ = static_cast<std::byte*>(memory);
    return;
  }
  throw std::bad_alloc();
}

BufferPool::~BufferPool() {
  LB_ASSERT(lent_ == 0);
  munmap(base_, static_cast<size_t>(max_buffers_) * buffer_size_bytes_);
}

BufferLease BufferPool::take() {
  if (is_exhausted()) return {};
  ++lent_;
  for (std::vector<std::byte*>* idle : {&hot_, &cold_}) {
    if (idle->empty()) continue;
    std::byte* data = idle->back();
    idle->pop_back();
    least_hot_ = std::min(least_hot_, hot_.size());
    return {this, data};
  }
  return {this, base_ + static_cast<size_t>(untouched_++) * buffer_size_bytes_};
}

void BufferPool::give_back(std::byte* data) {
  --lent_;
  hot_.push_back(data);
}

void BufferPool::trim() {
  const size_t unneeded = std::exchange(least_hot_, hot_.size());
  // Buffers smaller than a page share it with a neighbour that may be lent out.
  if (buffer_size_bytes_ % static_cast<uint32_t>(getpagesize()) != 0) return;
  if (unneeded <= kKeepResident) return;
  const size_t count = std::min(unneeded - kKeepResident, kMostTrimmed);
  for (size_t i = 0; i < count; ++i) {
    madvise(hot_[i], buffer_size_bytes_, MADV_DONTNEED);
    cold_.push_back(hot_[i]);
  }
  hot_.erase(hot_.begin(), hot_.begin() + static_cast<ptrdiff_t>(count));
  least_hot_ = hot_.size();
}

}  // namespace lb::event
