// The clocks: which kernel clock each one is, and its unit.
#include "lb/util/clock.h"

#include <chrono>
#include <cstdlib>

#include "test/support/catch.h"

namespace lb::util {

TEST_CASE("clock: monotonic time is steady_clock's, in its unit, and never goes back") {
  using std::chrono::duration_cast;
  const auto before = std::chrono::steady_clock::now().time_since_epoch();
  const int64_t us = mono_now_us();
  const MonoTimeMs ms = mono_now_ms();
  const auto after = std::chrono::steady_clock::now().time_since_epoch();
  CHECK(us >= duration_cast<std::chrono::microseconds>(before).count());
  CHECK(us <= duration_cast<std::chrono::microseconds>(after).count());
  CHECK(ms >= duration_cast<std::chrono::milliseconds>(before).count());
  CHECK(ms <= duration_cast<std::chrono::milliseconds>(after).count());
  int64_t last = us;
  for (int i = 0; i < 10000; ++i) {
    const int64_t next = mono_now_us();
    REQUIRE(next >= last);
    last = next;
  }
}

TEST_CASE("clock: wall time is microseconds since the epoch") {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t us = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  CHECK(std::abs(wall_now_us() - us) < 10'000'000);
}

}  // namespace lb::util
