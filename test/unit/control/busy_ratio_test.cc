#include "lb/control/admin/busy_ratio.h"

#include "test/support/catch.h"

namespace lb::control {

constexpr int64_t kSecondNs = 1'000'000'000;

TEST_CASE("busy ratio: over the time since somebody last asked, a second at least") {
  BusyRatio ratio(100 * kSecondNs);
  CHECK(ratio.update(100 * kSecondNs, 0) == 0);
  // Since the beginning.
  CHECK(ratio.update(110 * kSecondNs, 5 * kSecondNs) == 0.5);
  CHECK(ratio.update(120 * kSecondNs, 7 * kSecondNs) == 0.2);
  // Somebody else, right after: the window does not shrink to nothing.
  CHECK(ratio.update(120 * kSecondNs + kSecondNs / 2, 7 * kSecondNs + kSecondNs / 2) ==
        Approx(2.5 / 10.5));
  CHECK(ratio.update(122 * kSecondNs, 9 * kSecondNs) == 1.0);
  CHECK(ratio.update(124 * kSecondNs, 9 * kSecondNs) == 0.0);
}

TEST_CASE("busy ratio: never more than all of it") {
  BusyRatio ratio(0);
  // The two clocks are not read at the same moment.
  CHECK(ratio.update(kSecondNs, kSecondNs + 1000) == 1.0);
}

}  // namespace lb::control
