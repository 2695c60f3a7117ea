#include "bench/core_distance.h"

#include <sched.h>

#include <vector>

#include "bench/child_process.h"
#include "lb/util/clock.h"
#include "test/support/catch.h"

namespace lb::bench {
namespace {

// Gives the thread its CPUs back.
class Pinned {
 public:
  explicit Pinned(int cpu) {
    sched_getaffinity(0, sizeof(before_), &before_);
    pin_to_cpu(cpu);
  }
  ~Pinned() { sched_setaffinity(0, sizeof(before_), &before_); }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;

 private:
  cpu_set_t before_ = {};
};

}  // namespace

TEST_CASE("a distance is measured between two CPUs, again and again") {
  const std::vector<int> cpus = usable_cpus();
  if (cpus.size() < 2) return;
  const Pinned pinned(cpus[0]);
  CoreDistance distance(cpus[1]);
  int known = 0;
  // Beside other work the helper may not get its CPU in time now and then.
  for (int i = 0; i < 200 && known < 5; ++i) {
    const int64_t ns = distance.measure_ns();
    CHECK(ns >= 0);
    CHECK(ns < 1'000'000);
    known += ns > 0 ? 1 : 0;
  }
  CHECK(known == 5);
  CHECK(distance.helper_cpu_seconds() > 0);
}

TEST_CASE("a probe ends when both threads have one CPU") {
  const int cpu = usable_cpus().front();
  const Pinned pinned(cpu);
  CoreDistance distance(cpu);
  const util::MonoTimeMs begin_ms = util::mono_now_ms();
  distance.measure_ns();
  CHECK(util::mono_now_ms() - begin_ms < 5'000);
}

TEST_CASE("a range holds what is as far, give or take a little, and nothing unknown") {
  const DistanceRange range(530);
  CHECK(range.holds(530));
  CHECK(range.holds(332));
  CHECK(range.holds(848));
  CHECK_FALSE(range.holds(330));
  CHECK_FALSE(range.holds(849));
  CHECK_FALSE(range.holds(95));
  CHECK_FALSE(range.holds(0));
  CHECK_FALSE(DistanceRange(0).holds(0));
}

TEST_CASE("the most common class is found, and its middle") {
  CHECK(most_common_distance_ns({}) == 0);
  CHECK(most_common_distance_ns({0, 0, 0, 95}) == 95);
  CHECK(most_common_distance_ns({90, 530, 95, 560, 500, 0, 0, 0, 0}) == 530);
  CHECK(most_common_distance_ns({90, 530, 95, 560, 100, 92}) == 95);
}

}  // namespace lb::bench
