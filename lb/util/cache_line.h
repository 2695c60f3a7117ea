// What different threads write is kept on different cache lines: a line that two of them write
// travels between their CPUs at each turn.
#pragma once

#include <cstddef>
#include <new>

namespace lb::util {

inline constexpr size_t kCacheLineBytes = 64;

// For containers whose elements one thread writes and whose neighbours on the heap, made by the
// same thread, belong to others: whole cache lines.
template <typename T>
struct CacheLineAllocator {
  using value_type = T;

  CacheLineAllocator() = default;
  template <typename Other>
  CacheLineAllocator(const CacheLineAllocator<Other>& /*other*/) {}

  T* allocate(size_t count) {
    return static_cast<T*>(::operator new(size_bytes(count), std::align_val_t(kCacheLineBytes)));
  }
  void deallocate(T* memory, size_t /*count*/) {
    ::operator delete(memory, std::align_val_t(kCacheLineBytes));
  }

  bool operator==(const CacheLineAllocator& /*other*/) const { return true; }

 private:
  static size_t size_bytes(size_t count) {
    return (count * sizeof(T) + kCacheLineBytes - 1) / kCacheLineBytes * kCacheLineBytes;
  }
};

}  // namespace lb::util
