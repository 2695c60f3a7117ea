// Which engine serves, and why: one decision at start, said in one log line.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "lb/config/runtime.h"
#include "lb/event/engine_factory.h"

namespace lb::control {

struct ChosenEngine {
  event::EngineKind kind = event::EngineKind::kEpoll;
  std::string why;
  bool is_fallback = false;  // io_uring was wanted and could not be had
};

// "auto" takes io_uring where its self-test passes, else epoll; asking for io_uring by name fails
// where it cannot be had.
absl::StatusOr<ChosenEngine> choose_engine(config::EngineChoice wanted);

}  // namespace lb::control
