// A few bytes through an engine, over sockets of its own: whether a kernel that lets an engine be
// made also runs it right.
#pragma once

#include "absl/status/status.h"
#include "lb/event/engine.h"

namespace lb::event {

// Accepts, connects, sends, receives, sees FIN and cancels. Takes milliseconds, at most 2 seconds.
// In the engine's thread, when nothing else is in flight.
absl::Status self_test(Engine& engine);

}  // namespace lb::event
