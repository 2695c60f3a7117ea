// The world of the real engines: loopback TCP.
#pragma once

#include <memory>
#include <string>

#include "test/event/contract_world.h"

namespace lb::test {

// Throws Failure when the engine cannot be had.
std::unique_ptr<World> make_real_world(const std::string& name,
                                       const event::EngineOptions& options);

}  // namespace lb::test
