// The receive buffers of one worker: equal in size, lent out last-in-first-out so that the ones in
// use stay hot in the cache. Address space is reserved for all of them at once; memory is touched
// only as far as it is needed, and given back some time after a crowd has gone. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace lb::event {

class BufferPool;

// The right to one buffer's bytes; returning it is the destructor's work.
class BufferLease {
 public:
  BufferLease() = default;
  BufferLease(BufferPool* pool, std::byte* data) : pool_(pool), data_(data) {}
  BufferLease(BufferLease&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_bytes_(std::exchange(other.size_bytes_, 0)) {}
  BufferLease& operator=(BufferLease&& other) noexcept {
    if (this == &other) return *this;
    reset();
    pool_ = std::exchange(other.pool_, nullptr);
    data_ = std::exchange(other.data_, nullptr);
    size_bytes_ = std::exchange(other.size_bytes_, 0);
    return *this;
  }
  ~BufferLease() { reset(); }

  bool is_held() const { return data_ != nullptr; }
  std::byte* data() const { return data_; }
  // How much of the buffer holds received bytes.
  void set_size_bytes(uint32_t size_bytes) { size_bytes_ = size_bytes; }
  std::span<const std::byte> bytes() const { return {data_, size_bytes_}; }

  void reset();

 private:
  BufferPool* pool_ = nullptr;
  std::byte* data_ = nullptr;
  uint32_t size_bytes_ = 0;
};

class BufferPool {
 public:
  // At most `max_buffers` of `buffer_size_bytes` each. When so much address space cannot be had
  // (overcommit is off), the bound is halved until it can.
  BufferPool(uint32_t max_buffers, uint32_t buffer_size_bytes);
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  // Every lease must be back.
  ~BufferPool();

  // Empty when all buffers are out: back-pressure, not an error.
  BufferLease take();

  uint32_t buffer_size_bytes() const { return buffer_size_bytes_; }
  uint32_t max_buffers() const { return max_buffers_; }
  // Buffers lent out now.
  uint32_t lent() const { return lent_; }
  bool is_exhausted() const { return lent_ == max_buffers_; }

  // There is something to trim, perhaps.
  bool has_surplus() const { return hot_.size() > kKeepResident; }
  // Gives the memory of some buffers back to the system: of those that nobody has needed since the
  // last call, but for a few. Bounded in time; to be called now and then while there is a surplus.
  void trim();

 private:
  friend class BufferLease;

  static constexpr size_t kKeepResident = 32;
  static constexpr size_t kMostTrimmed = 256;  // about a millisecond's worth of madvise(2)

  void give_back(std::byte* data);

  uint32_t buffer_size_bytes_;
  uint32_t max_buffers_;
  std::byte* base_ = nullptr;
  uint32_t untouched_ = 0;  // buffers from this index on were never lent
  uint32_t lent_ = 0;
  std::vector<std::byte*> hot_;   // idle and resident; the last ones are used next
  std::vector<std::byte*> cold_;  // idle, without memory
  size_t least_hot_ = 0;          // that hot_ has come down to since the last trim
};

inline void BufferLease::reset() {
  if (data_ == nullptr) return;
  std::exchange(pool_, nullptr)->give_back(std::exchange(data_, nullptr));
  size_bytes_ = 0;
}

}  // namespace lb::event
