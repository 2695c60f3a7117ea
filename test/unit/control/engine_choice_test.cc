// Which engine is chosen, and what is said about it.
#include "lb/control/engine_choice.h"

#include <cstdio>
#include <string>

#include "test/support/catch.h"

namespace lb::control {

TEST_CASE("engine choice: epoll by name, without a question about io_uring") {
  const absl::StatusOr<ChosenEngine> chosen = choose_engine(config::EngineChoice::kEpoll);
  REQUIRE(chosen.ok());
  CHECK(chosen->kind == event::EngineKind::kEpoll);
  CHECK(!chosen->is_fallback);
  CHECK(chosen->why == "asked for");
}

TEST_CASE("engine choice: io_uring where it can be had, else epoll or a failure that says why") {
  const absl::Status uring = event::test_uring();
  const absl::StatusOr<ChosenEngine> by_itself = choose_engine(config::EngineChoice::kAuto);
  const absl::StatusOr<ChosenEngine> by_name = choose_engine(config::EngineChoice::kIOUring);
  REQUIRE(by_itself.ok());
  CHECK(!by_itself->why.empty());
  if (uring.ok()) {
    CHECK(by_itself->kind == event::EngineKind::kUring);
    CHECK(!by_itself->is_fallback);
    REQUIRE(by_name.ok());
    CHECK(by_name->kind == event::EngineKind::kUring);
    CHECK(!by_name->is_fallback);
    return;
  }
  const std::string why(uring.message());
  std::printf("no io_uring here: %s\n", why.c_str());
  CHECK(by_itself->kind == event::EngineKind::kEpoll);
  CHECK(by_itself->is_fallback);
  CHECK(by_itself->why.find(why) != std::string::npos);
  REQUIRE(!by_name.ok());
  CHECK(std::string(by_name.status().message()).find(why) != std::string::npos);
}

TEST_CASE("engine choice: the engines' names are those of the command line") {
  CHECK(to_string(event::EngineKind::kUring) == "io_uring");
  CHECK(to_string(event::EngineKind::kEpoll) == "epoll");
}

}  // namespace lb::control
