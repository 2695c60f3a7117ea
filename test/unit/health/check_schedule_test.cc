#include "lb/health/check_schedule.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <vector>

#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::health {
namespace {

// The gaps between phases, sorted along the circle.
std::vector<uint64_t> gaps(std::vector<CheckPhase> phases) {
  std::sort(phases.begin(), phases.end());
  std::vector<uint64_t> out;
  for (size_t i = 0; i + 1 < phases.size(); ++i) out.push_back(phases[i + 1] - phases[i]);
  out.push_back(phases.front() - phases.back());  // modulo 2^64
  return out;
}

}  // namespace

TEST_CASE("check schedule: phases are spread evenly, however many there are") {
  CheckSchedule schedule(test::test_seed());
  std::vector<CheckPhase> phases;
  for (size_t count = 1; count <= 1000; ++count) {
    phases.push_back(schedule.new_phase());
    if (count < 2 || (count > 20 && count % 97 != 0)) continue;
    const std::vector<uint64_t> found = gaps(phases);
    const auto [smallest, biggest] = std::minmax_element(found.begin(), found.end());
    INFO(count);
    // Of the three gaps that there are, the biggest is the sum of the two others, whose ratio is
    // the golden one, 1.618.
    CHECK(static_cast<double>(*biggest) < 2.6181 * static_cast<double>(*smallest));
  }
}

TEST_CASE("check schedule: 500 checks every 3 s, 10 rounds: none is a herd") {
  constexpr int64_t kIntervalMs = 3000;
  constexpr size_t kChecks = 500;
  constexpr int kRounds = 10;
  const int64_t moment_ms = CheckSchedule::moment_ms(kIntervalMs);
  CheckSchedule schedule(test::test_seed());
  std::vector<int> bins(static_cast<size_t>((kRounds + 2) * kIntervalMs / moment_ms));
  for (size_t i = 0; i < kChecks; ++i) {
    const CheckPhase phase = schedule.new_phase();
    util::MonoTimeMs at_ms = CheckSchedule::first_ms(0, i, kChecks, 500);
    for (int round = 0; round < kRounds; ++round) {
      at_ms = schedule.next_ms(phase, kIntervalMs, at_ms);
      CHECK(at_ms % moment_ms == 0);
      ++bins[static_cast<size_t>(at_ms / moment_ms)];
    }
  }
  // 20 on average, as independently as Poisson at most: 55 in a bin are 1e-10, in one of the 300
  // less than 1e-7. None at all in one of those between the first and the last round are 2e-9 each.
  CHECK(*std::max_element(bins.begin(), bins.end()) < 55);
  const auto middle = bins.begin() + 2 * kIntervalMs / moment_ms;
  CHECK(*std::min_element(middle, middle + 5 * kIntervalMs / moment_ms) > 0);
}

TEST_CASE("check schedule: the first ones begin within the window, one a millisecond at most") {
  CHECK(CheckSchedule::first_ms(1000, 0, 1, 500) == 1000);
  CHECK(CheckSchedule::first_ms(1000, 3, 4, 500) == 1003);
  CHECK(CheckSchedule::first_ms(1000, 499, 500, 500) == 1499);
  CHECK(CheckSchedule::first_ms(1000, 4999, 5000, 500) == 1499);
  CHECK(CheckSchedule::first_ms(1000, 1, 2, 0) == 1000);
}

TEST_CASE("check schedule: a check is once in a period, never much later than an interval") {
  util::Random random(test::test_seed());
  CheckSchedule schedule(random.next());
  for (const int64_t interval_ms : {10, 11, 100, 999, 3000, 3'600'000}) {
    INFO(interval_ms);
    const CheckPhase phase = schedule.new_phase();
    constexpr int kRounds = 1000;
    const util::MonoTimeMs start_ms = 12'345 + static_cast<int64_t>(random.below(5000));
    util::MonoTimeMs at_ms = start_ms;
    std::set<int64_t> distances;
    for (int i = 0; i < kRounds; ++i) {
      const util::MonoTimeMs next_ms = schedule.next_ms(phase, interval_ms, at_ms);
      const int64_t gap_ms = next_ms - at_ms;
      CHECK(gap_ms > 0);
      // The first one may be off its phase.
      CHECK(gap_ms * 100 <= interval_ms * (i == 0 ? 113 : 111));
      if (i > 0) CHECK(gap_ms * 100 >= interval_ms * 89 - 100);
      distances.insert(gap_ms);
      at_ms = next_ms;
    }
    CHECK((at_ms - start_ms) <= (kRounds + 1) * interval_ms);
    CHECK((at_ms - start_ms) >= (kRounds - 2) * interval_ms);
    // It never falls into step.
    if (interval_ms >= 100) CHECK(distances.size() >= 3);
  }
}

TEST_CASE("check schedule: a check that came late keeps its phase") {
  CheckSchedule schedule(test::test_seed());
  const CheckPhase phase = schedule.new_phase();
  const util::MonoTimeMs on_time_ms = schedule.next_ms(phase, 1000, 50'000);
  const util::MonoTimeMs next_ms = schedule.next_ms(phase, 1000, on_time_ms + 700);
  CHECK(next_ms - on_time_ms >= 890);
  CHECK(next_ms - on_time_ms <= 1110);
}

TEST_CASE("check schedule: four times as fast while the verdict changes, within bounds") {
  CheckSchedule schedule(test::test_seed());
  const auto fast = [&](int64_t interval_ms) {
    return schedule.next_fast_ms(interval_ms, 100) - 100;
  };
  for (int i = 0; i < 100; ++i) {
    CHECK((fast(8000) > 1799 && fast(8000) <= 2000));
    CHECK((fast(400) > 224 && fast(400) <= CheckSchedule::kMinFastMs));
    CHECK((fast(100) > 89 && fast(100) <= 100));
  }
}

}  // namespace lb::health
