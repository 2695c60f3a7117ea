// What the simulated relays with a story of their own share: a quiet network to tell it on, and
// many seeds of it.
#pragma once

#include <string>

#include "test/sim/relay_run.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::sim {

// One client and one server with nothing to say, on a quick network.
inline RunPlan quiet_plan(uint64_t seed) {
  RunPlan plan;
  plan.sim.seed = seed;
  plan.sim.pause_one_in = 0;
  plan.sim.max_delay_ms = 2;
  plan.sim.late_turn_one_in = 0;
  plan.sim.min_socket_bytes = 2000;
  plan.sim.max_socket_bytes = 20'000;
  plan.engine.max_buffers = 64;
  plan.engine.buffer_size_bytes = 4096;
  ConnectionPlan connection;
  connection.endpoints = {EndpointKind::kAccepting};
  for (ScriptPlan* script : {&connection.client, &connection.server}) {
    script->max_write_bytes = 1000;
    script->max_read_bytes = 1000;
    script->max_pause_ms = 1;
  }
  plan.connections.push_back(connection);
  return plan;
}

// Runs seeds of a story; each must leave everything as it should be.
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
    check(record);
  }
}

}  // namespace lb::sim
