#include "bench/rate_schedule.h"
#include "test/support/catch.h"

namespace lb::bench {

TEST_CASE("operations are due at even intervals, without drift") {
  RateSchedule schedule(3, 1'000);  // an interval that is no whole number
  for (int i = 0; i < 3'000; ++i) schedule.take();
  CHECK(schedule.next_due_ns() == 1'000 + 1'000'000'000'000);
}

TEST_CASE("nothing is due early") {
  RateSchedule schedule(1'000, 5'000'000);
  CHECK_FALSE(schedule.is_due(4'999'999));
  CHECK(schedule.is_due(5'000'000));
  CHECK(schedule.take() == 5'000'000);
  CHECK_FALSE(schedule.is_due(5'999'999));
}

TEST_CASE("a stall moves no intended time: what waited counts from when it was due") {
  RateSchedule schedule(1'000, 0);
  schedule.take();
  // Nothing could be sent for 5 ms: five operations are due at once, each later than the one
  // before.
  const int64_t now_ns = 5'000'000;
  for (int64_t i = 1; i <= 5; ++i) {
    REQUIRE(schedule.is_due(now_ns));
    CHECK(now_ns - schedule.take() == (5 - i) * 1'000'000);
  }
  CHECK_FALSE(schedule.is_due(now_ns));
}

TEST_CASE("a pause moves what is to come by its length, without drift") {
  RateSchedule schedule(1'000, 0);
  schedule.take();
  schedule.shift(700'000);
  CHECK(schedule.next_due_ns() == 1'700'000);
  schedule.take();
  schedule.shift(1);
  CHECK(schedule.next_due_ns() == 2'700'001);
}

}  // namespace lb::bench
