// GEP-2257 durations: what is taken, and that nothing else is.
#include "lb/util/duration.h"

#include "test/support/catch.h"

namespace lb::util {
namespace {

TEST_CASE("durations add up their groups") {
  CHECK(parse_duration_ms("0s") == 0);
  CHECK(parse_duration_ms("500ms") == 500);
  CHECK(parse_duration_ms("10s") == 10'000);
  CHECK(parse_duration_ms("5m") == 300'000);
  CHECK(parse_duration_ms("1h30m") == 5'400'000);
  CHECK(parse_duration_ms("1h1m1s1ms") == 3'661'001);
  CHECK(parse_duration_ms("1s1s") == 2'000);
  CHECK(parse_duration_ms("99999h99999h99999h99999h") == 4 * 99999LL * 3'600'000);
}

TEST_CASE("what is not a duration") {
  for (const char* text : {"", "1", "s", "-1s", "+1s", "1.5s", "1 s", "1s ", "1d", "1S", "100000s",
                           "1h1m1s1ms1ms", "1m2", "ms", "1us"}) {
    INFO(text);
    CHECK_FALSE(parse_duration_ms(text));
  }
}

}  // namespace
}  // namespace lb::util
