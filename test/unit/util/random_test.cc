// The generator: the published sequence, its bounds and its evenness.
#include "lb/util/random.h"

#include <array>
#include <cstdint>

#include "test/support/catch.h"

namespace lb::util {

namespace {

// xoshiro256** 1.0 and splitmix64 by Blackman and Vigna, written down a second time: a state of
// four words, advanced word by word.
struct Reference {
  uint64_t s[4];

  explicit Reference(uint64_t x) {
    for (uint64_t& word : s) {
      x += 0x9e3779b97f4a7c15U;
      uint64_t z = x;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
      word = z ^ (z >> 31);
    }
  }
  static uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
  uint64_t next() {
    const uint64_t result = rotl(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
  }
};

}  // namespace

TEST_CASE("random: a seed gives the published sequence") {
  // splitmix64 of seed 0 begins so; the state is made of it.
  CHECK(Reference(0).s[0] == 0xe220a8397b1dcdafU);
  // xoshiro256** of the state {1, 2, 3, 4} begins with 11520, 0, 1509978240.
  Reference small(0);
  small.s[0] = 1;
  small.s[1] = 2;
  small.s[2] = 3;
  small.s[3] = 4;
  CHECK(small.next() == 11520U);
  CHECK(small.next() == 0U);
  CHECK(small.next() == 1509978240U);
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, UINT64_MAX, uint64_t{0x5eed}}) {
    Random random(seed);
    Reference reference(seed);
    for (int i = 0; i < 1000; ++i) REQUIRE(random.next() == reference.next());
  }
}

TEST_CASE("random: below stays below its bound and is even") {
  Random random(42);
  for (int i = 0; i < 1000; ++i) REQUIRE(random.below(1) == 0);
  for (int i = 0; i < 1000; ++i) REQUIRE(random.below(UINT64_MAX) < UINT64_MAX);
  std::array<int, 10> counts = {};
  for (int i = 0; i < 100000; ++i) ++counts[random.below(counts.size())];
  // Standard deviation of a count: 95.
  for (const int count : counts) CHECK(std::abs(count - 10000) < 600);
}

TEST_CASE("random: one_in happens once in n times") {
  Random random(42);
  int happened = 0;
  for (int i = 0; i < 100000; ++i) happened += random.one_in(20) ? 1 : 0;
  CHECK(std::abs(happened - 5000) < 400);
  CHECK(random.one_in(1));
}

}  // namespace lb::util
