#include "bench/slices.h"

#include "test/support/catch.h"

namespace lb::bench {
namespace {

Measured slice(uint64_t operations, int64_t latency_ns) {
  Measured made;
  made.seconds = 0.5;
  made.operations = operations;
  made.stream_bytes = 10 * operations;
  made.proxy_cpu_seconds = 0.25;
  made.own_cpu_seconds = 0.125;
  for (uint64_t i = 0; i < operations; ++i) made.latency.add(latency_ns);
  return made;
}

}  // namespace

TEST_CASE("a slice counts when the cores were at their distance before it and after it") {
  Slices slices(500);
  CHECK(slices.add(slice(1, 1), 450, 600));
  CHECK_FALSE(slices.add(slice(1, 1), 95, 500));
  CHECK_FALSE(slices.add(slice(1, 1), 500, 95));
  CHECK_FALSE(slices.add(slice(1, 1), 500, 0));
  CHECK(slices.kept() == 1);
  CHECK(slices.left_out() == 3);
}

TEST_CASE("what counts is added up, and nothing of the rest") {
  Slices slices(500);
  slices.add(slice(10, 100), 500, 500);
  slices.add(slice(1'000, 9'000), 95, 95);
  slices.add(slice(30, 200), 500, 500);
  const Measured& sum = slices.sum();
  CHECK(sum.seconds == Approx(1));
  CHECK(sum.operations == 40);
  CHECK(sum.stream_bytes == 400);
  CHECK(sum.proxy_cpu_seconds == Approx(0.5));
  CHECK(sum.own_cpu_seconds == Approx(0.25));
  CHECK(sum.latency.count() == 40);
  CHECK(sum.latency.max_ns() == 200);
  CHECK(sum.latency.quantile_ns(0.25) == 100);
}

TEST_CASE("the typical 99th percentile is the middle one of the slices that count") {
  Slices slices(500);
  CHECK(slices.typical_p99_ns() == 0);
  slices.add(slice(100, 30), 500, 500);
  slices.add(slice(100, 9'000), 500, 500);
  slices.add(slice(0, 0), 500, 500);
  slices.add(slice(100, 40), 500, 500);
  slices.add(slice(100, 10), 95, 95);
  CHECK(slices.typical_p99_ns() == 40);
  CHECK(slices.sum().latency.quantile_ns(0.99) == 9'000);
}

TEST_CASE("without a reference the first distance that is known is it") {
  Slices slices(0);
  CHECK_FALSE(slices.add(slice(1, 1), 0, 0));
  CHECK(slices.add(slice(1, 1), 90, 100));
  CHECK(slices.reference_ns() == 90);
  CHECK_FALSE(slices.add(slice(1, 1), 100, 500));
}

TEST_CASE("a slice without distances always counts") {
  Slices slices(0);
  slices.add(slice(5, 1));
  CHECK(slices.kept() == 1);
  CHECK(slices.sum().operations == 5);
}

}  // namespace lb::bench
