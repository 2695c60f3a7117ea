#include "bench/ratio.h"

#include "test/support/catch.h"

namespace lb::bench {

TEST_CASE("the median is the middle, or the mean of the middle two") {
  CHECK(median({}) == 0);
  CHECK(median({3}) == 3);
  CHECK(median({9, 1, 5}) == 5);
  CHECK(median({9, 1, 5, 7}) == 6);
}

TEST_CASE("a ratio is of the medians, its spread of the rounds") {
  const Ratio ratio = ratio_of({5, 8, 6}, {10, 10, 20});
  CHECK(ratio.value == Approx(0.6));
  CHECK(ratio.lowest == Approx(0.3));
  CHECK(ratio.highest == Approx(0.8));
}

TEST_CASE("a round without a value has no ratio, and moves no other round") {
  const Ratio ratio = ratio_of({0, 8, 6}, {10, 10, 20});
  CHECK(ratio.value == Approx(0.7));
  CHECK(ratio.lowest == Approx(0.3));
  CHECK(ratio.highest == Approx(0.8));
}

TEST_CASE("a ratio to nothing is none") {
  CHECK(ratio_of({1, 2}, {}).value == 0);
  CHECK(ratio_of({}, {1, 2}).value == 0);
  CHECK(ratio_of({1}, {0}).value == 0);
}

}  // namespace lb::bench
