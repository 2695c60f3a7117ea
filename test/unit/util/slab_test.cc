// The slab: where objects lie, when memory comes and goes, and that no two objects overlap.
#include "lb/util/slab.h"

#include <malloc.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "lb/util/random.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLUICE_ALLOCATOR_OF_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLUICE_ALLOCATOR_OF_SANITIZER
#endif
#endif
#ifdef SLUICE_ALLOCATOR_OF_SANITIZER
// g++ has the function, and no header for it.
extern "C" size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace lb::util {
namespace {

size_t allocated_bytes() {
#ifdef SLUICE_ALLOCATOR_OF_SANITIZER
  return __sanitizer_get_current_allocated_bytes();
#else
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

// Counts its living, to see that every constructor meets its destructor.
struct Counted {
  explicit Counted(int& new_alive) : alive(new_alive) { ++alive; }
  ~Counted() { --alive; }
  int& alive;
  char filling[200] = {};
};

struct alignas(64) CacheLine {
  unsigned char bytes[64];
};

constexpr size_t kChunkSizeBytes = 65536;

}  // namespace

TEST_CASE("slab: constructs with the arguments and destroys each object once") {
  int alive = 0;
  Slab<Counted> slab;
  CHECK(slab.size() == 0);
  Counted* one = slab.create(alive);
  Counted* two = slab.create(alive);
  CHECK(alive == 2);
  CHECK(slab.size() == 2);
  slab.destroy(one);
  CHECK(alive == 1);
  slab.destroy(two);
  CHECK(alive == 0);
  CHECK(slab.size() == 0);
}

TEST_CASE("slab: the slot that was freed last is the next to be used") {
  int alive = 0;
  Slab<Counted> slab;
  Counted* kept = slab.create(alive);
  Counted* one = slab.create(alive);
  Counted* two = slab.create(alive);
  slab.destroy(one);
  slab.destroy(two);
  Counted* again = slab.create(alive);
  CHECK(again == two);
  Counted* and_again = slab.create(alive);
  CHECK(and_again == one);
  for (Counted* object : {kept, again, and_again}) slab.destroy(object);
}

TEST_CASE("slab: objects are aligned as their type asks") {
  Slab<CacheLine> slab;
  std::vector<CacheLine*> objects;
  for (int i = 0; i < 3000; ++i) {
    objects.push_back(slab.create());
    REQUIRE(reinterpret_cast<uintptr_t>(objects.back()) % alignof(CacheLine) == 0);
  }
  for (CacheLine* object : objects) slab.destroy(object);
}

TEST_CASE("slab: chunks that fall empty go back to the system but for one") {
  // The allocator may keep small blocks for its thread and call them used.
  constexpr size_t kKeptBytes = 16 * 1024;
  static_assert(kKeptBytes < kChunkSizeBytes);
  int alive = 0;
  // The lists of this test are memory too.
  std::vector<Counted*> objects(20000);
  const size_t before = allocated_bytes();
  auto slab = std::make_unique<Slab<Counted>>();
  for (Counted*& object : objects) object = slab->create(alive);
  CHECK(allocated_bytes() - before > objects.size() * sizeof(Counted));
  for (Counted* object : objects) slab->destroy(object);
  CHECK(allocated_bytes() - before < 2 * kChunkSizeBytes + kKeptBytes);
  // The one that is left serves again.
  const size_t idle = allocated_bytes();
  slab->destroy(slab->create(alive));
  CHECK(allocated_bytes() == idle);
  slab.reset();
  CHECK(allocated_bytes() < before + kKeptBytes);
}

TEST_CASE("slab: one object that comes and goes at a chunk's border allocates nothing") {
  int alive = 0;
  Slab<Counted> slab;
  std::vector<Counted*> objects;
  objects.reserve(1000);
  // Fill until the next object needs a new chunk.
  const size_t empty = allocated_bytes();
  size_t used = 0;
  while (used <= kChunkSizeBytes + 8192) {
    objects.push_back(slab.create(alive));
    used = allocated_bytes() - empty;
    REQUIRE(objects.size() < 1000);
  }
  const size_t at_border = allocated_bytes();
  for (int i = 0; i < 100; ++i) {
    slab.destroy(objects.back());
    objects.back() = slab.create(alive);
    REQUIRE(allocated_bytes() == at_border);
  }
  for (Counted* object : objects) slab.destroy(object);
}

TEST_CASE("slab: objects of a random crowd never overlap") {
  struct Block {
    uint64_t words[13];
  };
  Random random(test::test_seed());
  Slab<Block, 4096> slab;
  std::vector<std::pair<Block*, uint64_t>> living;
  const auto rounds = test::scaled(100000, 10000);
  for (uint64_t round = 0; round < rounds; ++round) {
    // Waves: the crowd grows for a while, then shrinks.
    const bool grow = living.empty() || random.below(100) < (round / 5000 % 2 == 0 ? 70U : 30U);
    if (grow) {
      Block* block = slab.create();
      for (uint64_t& word : block->words) word = round;
      living.emplace_back(block, round);
    } else {
      const auto index = random.below(living.size());
      const auto [block, stamp] = living[index];
      for (const uint64_t word : block->words) REQUIRE(word == stamp);
      slab.destroy(block);
      living[index] = living.back();
      living.pop_back();
    }
    REQUIRE(slab.size() == living.size());
  }
  for (const auto& [block, stamp] : living) {
    for (const uint64_t word : block->words) REQUIRE(word == stamp);
    slab.destroy(block);
  }
}

}  // namespace lb::util
