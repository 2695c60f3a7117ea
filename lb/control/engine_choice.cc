#include "lb/control/engine_choice.h"

#include "fmt/format.h"

namespace lb::control {

absl::StatusOr<ChosenEngine> choose_engine(config::EngineChoice wanted) {
  if (wanted == config::EngineChoice::kEpoll) {
    return ChosenEngine{event::EngineKind::kEpoll, "asked for", false};
  }
  const absl::Status tested = event::test_uring();
  if (tested.ok()) {
    const bool by_name = wanted == config::EngineChoice::kIOUring;
    return ChosenEngine{event::EngineKind::kUring,
                        by_name ? "asked for, self-test passed" : "self-test passed", false};
  }
  const std::string why(tested.message());
  if (wanted == config::EngineChoice::kAuto) {
    return ChosenEngine{event::EngineKind::kEpoll, "no io_uring: " + why, true};
  }
  return absl::UnavailableError(
      fmt::format("--engine io_uring: {}; --engine auto would fall back to epoll", why));
}

}  // namespace lb::control
