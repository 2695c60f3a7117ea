// Time as the data path sees it: CLOCK_MONOTONIC in milliseconds, so that no jump of the wall
// clock fires a timer early or late.
#pragma once

#include <time.h>

#include <cstdint>

namespace lb::util {

// Milliseconds on a clock that never jumps. Only differences mean anything.
using MonoTimeMs = int64_t;

// "Never" as a deadline.
constexpr MonoTimeMs kNever = INT64_MAX;

inline int64_t clock_ns(clockid_t clock) {
  timespec ts;
  clock_gettime(clock, &ts);
  return static_cast<int64_t>(ts.tv_sec) * 1'000'000'000 + ts.tv_nsec;
}

inline MonoTimeMs mono_now_ms() { return clock_ns(CLOCK_MONOTONIC) / 1'000'000; }

inline int64_t mono_now_us() { return clock_ns(CLOCK_MONOTONIC) / 1'000; }

// Microseconds since the epoch, for what people read; never for a timer.
inline int64_t wall_now_us() { return clock_ns(CLOCK_REALTIME) / 1'000; }

}  // namespace lb::util
