#include "lb/control/overrides.h"

#include <fmt/format.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "lb/balance/endpoint_registry.h"
#include "test/support/catch.h"

namespace lb::control {
namespace {

using Action = EndpointAction;
using balance::AdminState;

struct World {
  explicit World(size_t endpoints = 1) {
    for (size_t i = 0; i < endpoints; ++i) listed.push_back(make(i));
  }

  ListedEndpoint make(size_t i) {
    const auto port = static_cast<uint16_t>(i + 1);
    const auto live = registry.find_or_make("s", *net::Address::parse("10.0.0.1", port));
    return {"s", live->label(), true, 1, live};
  }
  std::string change(Action action, uint32_t weight = 0, size_t i = 0) {
    const absl::Status status = overrides.change(listed[i], action, weight, 1);
    return status.ok() ? override_text(*listed[i].live) : std::string(status.message());
  }
  std::string follow() {
    overrides.follow(listed, 2);
    return override_text(*listed[0].live);
  }

  util::LogSink sink{STDERR_FILENO, util::RecordFormat::kLogfmt};
  util::Log log{sink, util::LogLevel::kError, util::RecordFormat::kLogfmt};
  balance::EndpointRegistry registry;
  health::HealthBoard board;
  Overrides overrides{board, log};
  std::vector<ListedEndpoint> listed;
};

}  // namespace

TEST_CASE("overrides: as text") {
  CHECK(override_text(AdminState::kNone, std::nullopt).empty());
  CHECK(override_text(AdminState::kReady, std::nullopt) == "ready");
  CHECK(override_text(AdminState::kDrain, std::nullopt) == "drain");
  CHECK(override_text(AdminState::kDown, 0U) == "down, weight=0");
  CHECK(override_text(AdminState::kNone, 5U) == "weight=5");
}

TEST_CASE("overrides: nothing is kept of what the file says anyway") {
  World world;
  CHECK(world.change(Action::kReady).empty());
  CHECK(world.change(Action::kWeight, 1).empty());
  CHECK(world.overrides.empty());
  CHECK(world.change(Action::kDrain) == "drain");
  CHECK(world.change(Action::kWeight, 3) == "drain, weight=3");
  CHECK(world.change(Action::kReady) == "weight=3");
  CHECK(world.change(Action::kWeight, 1).empty());
  CHECK(world.overrides.empty());

  world.listed[0].is_ready = false;
  CHECK(world.change(Action::kDrain).empty());
  CHECK(world.change(Action::kReady) == "ready");
  CHECK(world.change(Action::kDown) == "down");
  CHECK(world.change(Action::kDrain).empty());
}

TEST_CASE("overrides: each is dropped when the file says the same, and no other") {
  World world;
  CHECK(world.change(Action::kDown) == "down");
  CHECK(world.change(Action::kWeight, 3) == "down, weight=3");
  CHECK(world.follow() == "down, weight=3");
  world.listed[0].weight = 2;
  CHECK(world.follow() == "down, weight=3");
  world.listed[0].weight = 3;
  CHECK(world.follow() == "down");
  world.listed[0].weight = 1;
  CHECK(world.change(Action::kDrain) == "drain");
  world.listed[0].is_ready = false;
  CHECK(world.follow().empty());
  CHECK(world.overrides.empty());
  CHECK(world.change(Action::kReady) == "ready");
  CHECK(world.follow() == "ready");
  world.listed[0].is_ready = true;
  CHECK(world.follow().empty());
}

TEST_CASE("overrides: down is more than a file can say, so it stays") {
  World world;
  CHECK(world.change(Action::kDown) == "down");
  world.listed[0].is_ready = false;
  CHECK(world.follow() == "down");
  CHECK(!world.listed[0].live->is_up());
  world.listed[0].is_ready = true;
  CHECK(world.follow() == "down");
  CHECK(world.change(Action::kReady).empty());
  CHECK(world.overrides.empty());
}

TEST_CASE("overrides: an endpoint that comes back as another object has them again") {
  World world;
  CHECK(world.change(Action::kDrain) == "drain");
  const std::weak_ptr<balance::Endpoint> old = world.listed[0].live;
  world.listed.clear();
  world.overrides.follow(world.listed, 2);
  REQUIRE(old.expired());
  CHECK(world.overrides.size() == 1);
  world.listed.push_back(world.make(0));
  CHECK(override_text(*world.listed[0].live).empty());
  CHECK(world.follow() == "drain");
}

TEST_CASE("overrides: what is to be served gets its overrides, and drops none yet") {
  World world;
  CHECK(world.change(Action::kDrain) == "drain");
  CHECK(world.change(Action::kWeight, 3) == "drain, weight=3");
  world.listed.clear();
  world.overrides.follow(world.listed, 2);
  world.listed.push_back(world.make(0));
  world.listed[0].is_ready = false;
  world.listed[0].weight = 3;
  world.overrides.prepare(world.listed, 3);
  CHECK(override_text(*world.listed[0].live) == "drain, weight=3");
  CHECK(world.follow().empty());
}

TEST_CASE("overrides: an endpoint that no route leads to has none") {
  World world;
  world.listed[0].live = nullptr;
  CHECK(!world.overrides.change(world.listed[0], Action::kDrain, 0, 1).ok());
  CHECK(world.overrides.empty());
}

TEST_CASE("overrides: ready readmits what was ejected") {
  World world;
  world.board.set_ejected(world.listed[0].live, true, 0, "test");
  CHECK(world.change(Action::kReady).empty());
  CHECK(world.listed[0].live->is_up());
}

TEST_CASE("overrides: there is a bound, and what is gone from the file makes room") {
  World world(Overrides::kMax + 1);
  for (size_t i = 0; i < Overrides::kMax; ++i) CHECK(world.change(Action::kDrain, 0, i) == "drain");
  CHECK(world.change(Action::kDrain, 0, Overrides::kMax).find("which is all") != std::string::npos);
  CHECK(world.overrides.size() == Overrides::kMax);
  CHECK(world.change(Action::kWeight, 9, 0) == "drain, weight=9");
  world.listed.erase(world.listed.begin());
  world.overrides.follow(world.listed, 2);
  CHECK(world.change(Action::kDrain, 0, Overrides::kMax - 1) == "drain");
  CHECK(world.overrides.size() == Overrides::kMax);
}

}  // namespace lb::control
