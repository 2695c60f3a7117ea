// A pool of objects of one type in chunks: creating and destroying costs a few instructions, an
// object never moves, and chunks that fall empty go back to the system but for one. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#include "lb/util/assert.h"
#include "lb/util/intrusive_list.h"

namespace lb::util {

template <typename T, size_t kChunkSizeBytes = 65536>
class Slab {
 public:
  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() {
    LB_ASSERT(size_ == 0);
    while (Chunk* chunk = with_room_.pop_front()) free_chunk(chunk);
  }

  // Objects alive.
  size_t size() const { return size_; }

  template <typename... Args>
  T* create(Args&&... args) {
    Chunk* chunk = with_room_.front();
    if (chunk == nullptr) chunk = add_chunk();
    Slot* slot = chunk->free;
    chunk->free = slot->next_free;
    if (++chunk->used == kSlots) chunk->unlink();
    if (chunk->used == 1) --empty_chunks_;
    ++size_;
    return new (slot->storage) T(std::forward<Args>(args)...);
  }

  void destroy(T* object) {
    object->~T();
    Chunk* chunk = chunk_of(object);
    Slot* slot = reinterpret_cast<Slot*>(object);
    slot->next_free = chunk->free;
    chunk->free = slot;
    if (chunk->used-- == kSlots) with_room_.push_back(*chunk);
    --size_;
    if (chunk->used > 0) return;
    if (++empty_chunks_ > 1) {
      --empty_chunks_;
      chunk->unlink();
      free_chunk(chunk);
    }
  }

 private:
  union Slot {
    Slot* next_free;
    alignas(T) std::byte storage[sizeof(T)];
  };
  struct ChunkTag {};
  struct Chunk : ListNode<ChunkTag> {
    Slot* free = nullptr;
    size_t used = 0;
  };

  // Slots start at the first multiple of their alignment behind the chunk's own fields.
  static constexpr size_t kHeaderSizeBytes =
      (sizeof(Chunk) + alignof(Slot) - 1) / alignof(Slot) * alignof(Slot);
  // Room for the allocator's own word before the next chunk: else a chunk's end would push the next
  // one to another multiple of its size, and each gap would have a page of its own.
  static constexpr size_t kUsableSizeBytes = kChunkSizeBytes - 64;
  static constexpr size_t kSlots = (kUsableSizeBytes - kHeaderSizeBytes) / sizeof(Slot);
  static_assert(kSlots >= 2, "a chunk must hold at least two objects");
  static_assert((kChunkSizeBytes & (kChunkSizeBytes - 1)) == 0, "chunks are found by alignment");

  static Chunk* chunk_of(T* object) {
    return reinterpret_cast<Chunk*>(reinterpret_cast<uintptr_t>(object) & ~(kChunkSizeBytes - 1));
  }

  Chunk* add_chunk() {
    void* memory = nullptr;
    if (posix_memalign(&memory, kChunkSizeBytes, kUsableSizeBytes) != 0) throw std::bad_alloc();
    Chunk* chunk = new (memory) Chunk();
    Slot* slots = reinterpret_cast<Slot*>(static_cast<std::byte*>(memory) + kHeaderSizeBytes);
    for (size_t i = kSlots; i-- > 0;) {
      slots[i].next_free = chunk->free;
      chunk->free = &slots[i];
    }
    with_room_.push_back(*chunk);
    ++empty_chunks_;
    return chunk;
  }

  static void free_chunk(Chunk* chunk) {
    chunk->~Chunk();
    std::free(chunk);
  }

  IntrusiveList<Chunk, ChunkTag> with_room_;
  size_t size_ = 0;
  size_t empty_chunks_ = 0;
};

}  // namespace lb::util
