// How the simulated relays with a story of their own are told: many seeds of it.
#pragma once

#include <string>
#include <type_traits>

#include "test/sim/quiet_plan.h"
#include "test/sim/relay_run.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::sim {

// Runs seeds of a story; each must leave everything as it should be. `check` takes the record of
// the first connection, and the run if it likes.
template <typename Story, typename Check>
void each_seed(const Story& story, const Check& check) {
  const uint64_t base = test::test_seed();
  for (uint64_t i = 0; i < test::scaled(100, 20); ++i) {
    CAPTURE(base + i);
    RunPlan plan = quiet_plan(base + i);
    story(plan.connections.front(), plan);
    RelayRun run(plan);
    std::string text;
    for (const std::string& failure : run.run()) text += failure + "\n";
    INFO(text);
    REQUIRE(text.empty());
    const test::AccessRecord& record = run.record();
    INFO(record.line());
    if constexpr (std::is_invocable_v<const Check&, const test::AccessRecord&, const RelayRun&>) {
      check(record, run);
    } else {
      check(record);
    }
  }
}

}  // namespace lb::sim
