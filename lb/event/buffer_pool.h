// The receive buffers of one worker: equal in size, lent out last-in-first-out so that the ones in
// use stay hot in the cache. Address space is reserved for all of them at once; memory is touched
// only as far as it is needed, and given back when a crowd has gone. One thread.
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

 private:
  friend class BufferLease;

  // This many idle buffers stay hot; those beyond give their memory back to the system.
  static constexpr size_t kKeepResident = 256;

  void give_back(std::byte* data);

  uint32_t buffer_size_bytes_;
  uint32_t max_buffers_;
  std::byte* base_ = nullptr;
  uint32_t untouched_ = 0;  // buffers from this index on were never lent
  uint32_t lent_ = 0;
  std::vector<std::byte*> hot_;
  std::vector<std::byte*> cold_;
};

inline void BufferLease::reset() {
  if (data_ == nullptr) return;
  std::exchange(pool_, nullptr)->give_back(std::exchange(data_, nullptr));
  size_bytes_ = 0;
}

}  // namespace lb::event
