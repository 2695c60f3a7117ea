// When names are asked for again.
#include "lb/control/dns/dns_schedule.h"

#include <vector>

#include "test/support/catch.h"

namespace lb::control {
namespace {

constexpr util::MonoTimeMs kNow = 1'000'000;

config::DNSPolicy policy(int64_t refresh_ms, int64_t min_ms, int64_t max_ms) {
  return {.refresh_ms = refresh_ms, .min_ttl_ms = min_ms, .max_ttl_ms = max_ms};
}

struct Range {
  int64_t least = INT64_MAX;
  int64_t most = 0;
};

// Over many draws.
Range delays(const std::vector<config::DNSPolicy>& policies, int64_t ttl_ms) {
  util::Random random(7);
  Range range;
  for (int i = 0; i < 10'000; ++i) {
    DNSSchedule schedule;
    schedule.on_answer(kNow, ttl_ms, policies, random);
    range.least = std::min(range.least, schedule.next_ms() - kNow);
    range.most = std::max(range.most, schedule.next_ms() - kNow);
  }
  return range;
}

// The ends of a range of `width + 1` values are both seen within 10'000 draws but once in e^(10'000
// / (width + 1)) times: so widths of 1'000 and less are checked to the value, with a fixed seed.
TEST_CASE("an answer is believed as long as its TTL says, within the bounds, spread by a tenth") {
  const std::vector<config::DNSPolicy> usual = {policy(0, 1'000, 3'600'000)};
  Range range = delays(usual, 5'000);
  CHECK((range.least == 5'000 && range.most == 5'500));
  range = delays(usual, 0);
  CHECK((range.least == 1'000 && range.most == 1'100));
  range = delays({policy(0, 1'000, 4'000)}, 100'000'000);
  CHECK((range.least == 3'600 && range.most == 4'000));
  range = delays({policy(0, 1'000, 4'000)}, 3'900);
  CHECK((range.least == 3'900 && range.most == 4'000));
}

TEST_CASE("refresh is instead of the TTL, and the most eager of several decides") {
  Range range = delays({policy(2'000, 60'000, 3'600'000)}, 5);
  CHECK((range.least == 1'800 && range.most == 2'000));
  range = delays({policy(0, 1'000, 3'600'000), policy(2'000, 1'000, 3'600'000)}, 60'000);
  CHECK((range.least == 1'800 && range.most == 2'000));
  // Never in a circle, whatever the file says.
  range = delays({policy(0, 0, 0)}, 0);
  CHECK((range.least == DNSSchedule::kMinDelayMs && range.most == DNSSchedule::kMinDelayMs));
}

TEST_CASE("failures are further and further apart, up to a bound, and an answer ends that") {
  util::Random random(7);
  DNSSchedule schedule;
  for (const int64_t most : {1'000, 2'000, 4'000, 8'000, 16'000, 30'000, 30'000}) {
    schedule.on_failure(kNow, random);
    CHECK(schedule.next_ms() - kNow <= most);
    CHECK(schedule.next_ms() - kNow >= most - most / 10);
  }
  for (int i = 0; i < 100; ++i) schedule.on_failure(kNow, random);
  CHECK(schedule.next_ms() - kNow <= DNSSchedule::kMaxRetryMs);
  const std::vector<config::DNSPolicy> policies = {policy(0, 1'000, 60'000)};
  schedule.on_answer(kNow, 60'000, policies, random);
  CHECK(schedule.failures() == 0);
  schedule.on_failure(kNow, random);
  CHECK(schedule.next_ms() - kNow <= 1'000);
}

TEST_CASE("who is in a hurry asks at once, but not twice in a second") {
  util::Random random(7);
  DNSSchedule schedule;
  const std::vector<config::DNSPolicy> policies = {policy(0, 1'000, 3'600'000)};
  schedule.on_asked(kNow);
  schedule.on_answer(kNow + 10, 600'000, policies, random);
  schedule.hurry(kNow + 20);
  CHECK(schedule.next_ms() == kNow + 1'000);
  schedule.hurry(kNow + 500);
  CHECK(schedule.next_ms() == kNow + 1'000);
  schedule.on_asked(kNow + 1'000);
  schedule.on_answer(kNow + 1'000, 600'000, policies, random);
  schedule.hurry(kNow + 60'000);
  CHECK(schedule.next_ms() == kNow + 60'000);
  // It never makes anything later.
  schedule.hurry(kNow + 70'000);
  CHECK(schedule.next_ms() == kNow + 60'000);
}

}  // namespace
}  // namespace lb::control
