// When checks take place. Each check has a phase, and is made once in every period of its interval,
// at that phase and up to a tenth of the interval before it: the phases keep hundreds of checks
// apart for good, and the tenth keeps them from falling into step with whatever else is periodic.
// They come in moments, 25 an interval or more: a check that shares the loop's waking up, and finds
// the kernel's code and tables in the caches, costs a third of one that is alone. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "lb/util/clock.h"
#include "lb/util/random.h"

namespace lb::health {

// A fraction of a period, in units of 2^-64.
using CheckPhase = uint64_t;

class CheckSchedule {
 public:
  explicit CheckSchedule(uint64_t seed) : random_(seed), next_phase_(random_.next()) {}

  // The phase of a new check. Steps of the golden ratio fall evenly however many there are: the
  // biggest of the gaps between n points is at most 2.62 times the smallest (the three-gap
  // theorem).
  CheckPhase new_phase() { return next_phase_ += 0x9e3779b97f4a7c15; }

  // The first of a batch of `count` new checks is made at once, the others follow every
  // millisecond, or faster, so that all have begun within `window_ms`.
  static util::MonoTimeMs first_ms(util::MonoTimeMs now_ms, size_t index, size_t count,
                                   int64_t window_ms) {
    const auto place = static_cast<int64_t>(index);
    const auto last = static_cast<int64_t>(count);
    return now_ms + (last <= window_ms ? place : place * window_ms / last);
  }

  // The one after a check that began at `started_ms`: at most 1.13 intervals later, 1.11 when that
  // one was on time.
  util::MonoTimeMs next_ms(CheckPhase phase, int64_t interval_ms, util::MonoTimeMs started_ms) {
    const int64_t phase_ms = share(phase, interval_ms);
    // More than the tenth, so that a check before its time does not count for the period before.
    const int64_t after_ms = started_ms + interval_ms / 8 - phase_ms;
    const int64_t on_time_ms = (floor_div(after_ms, interval_ms) + 1) * interval_ms + phase_ms;
    const int64_t step_ms = moment_ms(interval_ms);
    // The beginning of a moment may be all but one before what is drawn.
    const int64_t earlier_ms = std::max<int64_t>(interval_ms / 10 - step_ms + 1, 0);
    const int64_t due_ms = on_time_ms - share(random_.next(), earlier_ms);
    return floor_div(due_ms, step_ms) * step_ms;
  }

  // The same while a verdict is changing (verdict.h): four times as often, though not more often
  // than every kMinFastMs.
  util::MonoTimeMs next_fast_ms(int64_t interval_ms, util::MonoTimeMs started_ms) {
    const int64_t fast_ms = std::min(interval_ms, std::max(interval_ms / 4, kMinFastMs));
    return started_ms + fast_ms - share(random_.next(), fast_ms / 10);
  }

  // From one moment to the next.
  static int64_t moment_ms(int64_t interval_ms) {
    return std::clamp<int64_t>(interval_ms / 25, 1, kMaxMomentMs);
  }

  static constexpr int64_t kMinFastMs = 250;

 private:
  __extension__ using Uint128 = unsigned __int128;

  static constexpr int64_t kMaxMomentMs = 250;

  static int64_t share(CheckPhase phase, int64_t of_ms) {
    return static_cast<int64_t>((static_cast<Uint128>(phase) * static_cast<Uint128>(of_ms)) >> 64);
  }
  static int64_t floor_div(int64_t value, int64_t divisor) {
    const int64_t quotient = value / divisor;
    return value % divisor < 0 ? quotient - 1 : quotient;
  }

  util::Random random_;
  CheckPhase next_phase_;
};

}  // namespace lb::health
