// The world of the simulated engine: its own network, a new seed each time.
#pragma once

#include <memory>

#include "test/event/contract_world.h"

namespace lb::test {

std::unique_ptr<World> make_sim_world(const event::EngineOptions& options);

}  // namespace lb::test
