#include "bench/histogram.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "lb/util/random.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::bench {

TEST_CASE("an empty histogram says zero") {
  const Histogram histogram;
  CHECK(histogram.count() == 0);
  CHECK(histogram.quantile_ns(0.5) == 0);
  CHECK(histogram.mean_ns() == 0);
}

TEST_CASE("small values are exact") {
  Histogram histogram;
  for (int64_t value = 1; value <= 100; ++value) histogram.add(value);
  CHECK(histogram.quantile_ns(0) == 1);
  CHECK(histogram.quantile_ns(0.5) == 50);
  CHECK(histogram.quantile_ns(0.99) == 99);
  CHECK(histogram.quantile_ns(1) == 100);
  CHECK(histogram.mean_ns() == Approx(50.5));
}

TEST_CASE("quantiles are within a percent of the sorted values, never below") {
  util::Random random(test::test_seed());
  Histogram histogram;
  std::vector<int64_t> values;
  for (int i = 0; i < 20'000; ++i) {
    // Every order of magnitude up to minutes.
    const auto value = static_cast<int64_t>(random.next() >> (28 + random.below(30)));
    values.push_back(value);
    histogram.add(value);
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(values.size())));
    const int64_t exact = values[rank - 1];
    const int64_t told = histogram.quantile_ns(share);
    INFO("share " << share);
    CHECK(told >= exact);
    CHECK(static_cast<double>(told) <= static_cast<double>(exact) * 1.01);
  }
}

TEST_CASE("values out of range are kept at the ends") {
  Histogram histogram;
  histogram.add(-5);
  histogram.add(INT64_MAX);
  CHECK(histogram.count() == 2);
  CHECK(histogram.quantile_ns(0.5) == 0);
  CHECK(histogram.quantile_ns(1) == (int64_t{1} << 42) - 1);
}

TEST_CASE("merged histograms are as if one had seen everything") {
  Histogram low;
  Histogram high;
  for (int i = 0; i < 90; ++i) low.add(1'000);
  for (int i = 0; i < 10; ++i) high.add(1'000'000);
  low.merge(high);
  CHECK(low.count() == 100);
  CHECK(low.quantile_ns(0.9) == Approx(1'000).epsilon(0.01));
  CHECK(low.quantile_ns(0.91) == Approx(1'000'000).epsilon(0.01));
  low.clear();
  CHECK(low.count() == 0);
  CHECK(low.max_ns() == 0);
}

}  // namespace lb::bench
