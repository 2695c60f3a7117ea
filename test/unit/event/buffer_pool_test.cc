// The pool of receive buffers: the order of lending, its end, and where its memory goes.
#include "lb/event/buffer_pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "test/support/catch.h"

namespace lb::event {
namespace {

// How many of the memory pages behind these buffers are resident.
size_t resident_pages(const std::vector<std::byte*>& buffers, uint32_t size_bytes) {
  const auto page = static_cast<size_t>(getpagesize());
  size_t resident = 0;
  for (std::byte* data : buffers) {
    std::vector<unsigned char> pages(size_bytes / page);
    REQUIRE(mincore(data, size_bytes, pages.data()) == 0);
    resident += static_cast<size_t>(
        std::count_if(pages.begin(), pages.end(), [](unsigned char bits) { return bits & 1; }));
  }
  return resident;
}

}  // namespace

TEST_CASE("buffer_pool: lends last-in-first-out") {
  BufferPool pool(8, 128);
  BufferLease one = pool.take();
  BufferLease two = pool.take();
  BufferLease three = pool.take();
  std::byte* const first = one.data();
  std::byte* const second = two.data();
  one.reset();
  two.reset();
  CHECK(pool.lent() == 1);
  CHECK(pool.take().data() == second);  // and returns it at once
  const BufferLease again = pool.take();
  const BufferLease then = pool.take();
  CHECK(again.data() == second);
  CHECK(then.data() == first);
}

TEST_CASE("buffer_pool: running out gives empty leases until one is back") {
  BufferPool pool(4, 128);
  CHECK(pool.max_buffers() == 4);
  CHECK(pool.buffer_size_bytes() == 128);
  std::vector<BufferLease> leases;
  std::set<std::byte*> distinct;
  for (int i = 0; i < 4; ++i) {
    CHECK_FALSE(pool.is_exhausted());
    leases.push_back(pool.take());
    REQUIRE(leases.back().is_held());
    distinct.insert(leases.back().data());
    std::memset(leases.back().data(), i, 128);
  }
  CHECK(distinct.size() == 4);
  CHECK(pool.is_exhausted());
  CHECK_FALSE(pool.take().is_held());
  CHECK(pool.lent() == 4);
  for (int i = 0; i < 4; ++i) {
    const std::byte* data = leases[static_cast<size_t>(i)].data();
    CHECK(std::all_of(data, data + 128, [i](std::byte b) { return b == std::byte(i); }));
  }
  std::byte* const back = leases[1].data();
  leases[1].reset();
  CHECK_FALSE(pool.is_exhausted());
  CHECK(pool.take().data() == back);
}

TEST_CASE("buffer_pool: a lease is given back once, however it moves") {
  BufferPool pool(4, 128);
  {
    BufferLease one = pool.take();
    one.set_size_bytes(100);
    BufferLease two = std::move(one);
    CHECK_FALSE(one.is_held());  // NOLINT(bugprone-use-after-move): the point of the test
    CHECK(one.bytes().empty());
    CHECK(two.bytes().size() == 100);
    CHECK(pool.lent() == 1);
    BufferLease three = pool.take();
    CHECK(pool.lent() == 2);
    three = std::move(two);  // gives back what it held
    CHECK(pool.lent() == 1);
    BufferLease& itself = three;
    three = std::move(itself);
    CHECK(three.is_held());
    CHECK(three.bytes().size() == 100);
    three.reset();
    three.reset();
    CHECK(pool.lent() == 0);
    CHECK(three.bytes().empty());
  }
  CHECK(pool.lent() == 0);
}

TEST_CASE("buffer_pool: memory comes with use and goes when a crowd has gone") {
  constexpr uint32_t kSizeBytes = 16384;
  constexpr uint32_t kCrowd = 2000;
  constexpr size_t kPagesEach = 4;
  constexpr uint32_t kKept = 32;      // BufferPool::kKeepResident
  constexpr uint32_t kTrimmed = 256;  // BufferPool::kMostTrimmed
  BufferPool pool(kCrowd, kSizeBytes);
  std::vector<BufferLease> leases;
  std::vector<std::byte*> buffers;
  for (uint32_t i = 0; i < kCrowd; ++i) {
    leases.push_back(pool.take());
    buffers.push_back(leases.back().data());
  }
  CHECK(resident_pages(buffers, kSizeBytes) == 0);
  for (std::byte* data : buffers) std::memset(data, 1, kSizeBytes);
  CHECK(resident_pages(buffers, kSizeBytes) == kCrowd * kPagesEach);
  leases.clear();
  CHECK(pool.lent() == 0);
  // A trim takes what was not needed since the one before, and not too many at once.
  CHECK(pool.has_surplus());
  pool.trim();
  CHECK(resident_pages(buffers, kSizeBytes) == kCrowd * kPagesEach);
  pool.trim();
  CHECK(resident_pages(buffers, kSizeBytes) == (kCrowd - kTrimmed) * kPagesEach);
  for (int i = 0; i < 10; ++i) pool.trim();
  CHECK_FALSE(pool.has_surplus());
  CHECK(resident_pages(buffers, kSizeBytes) == kKept * kPagesEach);
  // The resident ones are lent first.
  std::vector<std::byte*> hot;
  for (uint32_t i = 0; i < kKept; ++i) {
    leases.push_back(pool.take());
    hot.push_back(leases.back().data());
  }
  CHECK(resident_pages(hot, kSizeBytes) == kKept * kPagesEach);
}

TEST_CASE("buffer_pool: more address space than there is halves the bound") {
  // 256 TiB do not fit into 47 bits.
  BufferPool pool(UINT32_MAX, 65536);
  CHECK(pool.max_buffers() > 1'000'000);
  CHECK(pool.max_buffers() < UINT32_MAX);
  CHECK(pool.take().is_held());
}

}  // namespace lb::event
