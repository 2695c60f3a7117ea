// The plan that stories begin with.
#pragma once

#include <cstdint>

#include "test/sim/relay_run.h"

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

}  // namespace lb::sim
