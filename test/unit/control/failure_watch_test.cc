// That failed connects are noticed, once each, and only while somebody wants to know.
#include "lb/control/dns/failure_watch.h"

#include <memory>
#include <vector>

#include "lb/event/engine_factory.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::control {
namespace {

TEST_CASE("failures since the last look are told of, by service") {
  auto engine = event::make_engine(event::EngineKind::kEpoll, {});
  REQUIRE(engine.ok());
  FailureWatch::Totals totals = {{"a", 5}, {"b", 5}};
  int looks = 0;
  std::vector<std::string> told;
  FailureWatch watch(**engine,
                     {.count =
                          [&] {
                            ++looks;
                            return totals;
                          },
                      .on_failure = [&](const std::string& service) { told.push_back(service); }});
  const auto look = [&] {
    const int before = looks;
    const util::MonoTimeMs end_ms =
        util::mono_now_ms() + test::patience(std::chrono::seconds(10)).count();
    while (looks == before && util::mono_now_ms() < end_ms) (*engine)->run_once(end_ms);
    return std::exchange(told, {});
  };
  watch.start();
  watch.start();
  CHECK(looks == 1);
  totals["b"] = 6;
  totals["c"] = 1;
  CHECK(look() == std::vector<std::string>{"b", "c"});
  CHECK(look().empty());
  // A service that was gone, and counts from 0 again.
  totals["b"] = 2;
  CHECK(look().empty());
  totals["b"] = 3;
  CHECK(look() == std::vector<std::string>{"b"});
  watch.stop();
  (*engine)->run_once(util::mono_now_ms() + 50);
  CHECK(looks == 5);
}

}  // namespace
}  // namespace lb::control
