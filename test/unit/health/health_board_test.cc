#include "lb/health/health_board.h"

#include <string>
#include <vector>

#include "lb/balance/endpoint_registry.h"
#include "test/support/catch.h"

namespace lb::health {
namespace {

struct World {
  World() {
    board.follow([this](const HealthChange& change) {
      told.push_back(std::string(change.was_up ? "up" : "down") + ">" +
                     (change.is_up ? "up" : "down") + " " + std::string(change.why));
    });
  }

  balance::EndpointRegistry registry;
  std::shared_ptr<balance::Endpoint> endpoint =
      registry.find_or_make("s", *net::Address::parse("10.0.0.1", 80));
  HealthBoard board;
  std::vector<std::string> told;
};

}  // namespace

TEST_CASE("health board: every change is told once, and what changes nothing is not") {
  World world;
  world.board.set_healthy(world.endpoint, true, 1, "still");
  world.board.set_healthy(world.endpoint, false, 2, "refused");
  world.board.set_healthy(world.endpoint, false, 3, "refused again");
  world.board.set_ejected(world.endpoint, true, 4, "ejected");
  world.board.set_ejected(world.endpoint, false, 5, "readmitted");
  world.board.set_healthy(world.endpoint, true, 6, "answers");
  CHECK(world.told == std::vector<std::string>{"up>down refused", "down>down ejected",
                                               "down>down readmitted", "down>up answers"});
  CHECK(world.endpoint->service().epoch() == 4);
}

TEST_CASE("health board: a check that succeeds ends an ejection, in one change") {
  World world;
  world.board.set_ejected(world.endpoint, true, 1, "ejected");
  world.board.set_healthy(world.endpoint, true, 2, "answers");
  world.board.set_healthy(world.endpoint, true, 3, "answers");
  CHECK(world.told == std::vector<std::string>{"up>down ejected", "down>up answers"});
  CHECK(!world.endpoint->is_ejected());
  CHECK(world.endpoint->up_since_ms() == 2);
}

TEST_CASE("health board: an endpoint is new from when it comes up, however it went down") {
  World world;
  CHECK(!world.endpoint->up_since_ms());
  world.board.set_admin_state(world.endpoint, balance::AdminState::kDown, 10, "operator");
  CHECK(!world.endpoint->is_up());
  world.board.set_admin_state(world.endpoint, balance::AdminState::kNone, 20, "operator");
  CHECK(world.endpoint->up_since_ms() == 20);
  world.board.set_admin_state(world.endpoint, balance::AdminState::kDrain, 30, "operator");
  CHECK(world.endpoint->is_up());
  world.board.set_admin_state(world.endpoint, balance::AdminState::kReady, 40, "operator");
  CHECK(world.endpoint->up_since_ms() == 20);
}

TEST_CASE("health board: what is assumed is no news, and what is confirmed is") {
  World world;
  world.board.assume_healthy(world.endpoint, false);
  CHECK(!world.endpoint->is_up());
  CHECK(world.endpoint->service().epoch() == 1);
  world.board.assume_healthy(world.endpoint, false);
  CHECK(world.endpoint->service().epoch() == 1);
  CHECK(world.told.empty());
  world.board.confirm_unhealthy(world.endpoint, "refused");
  CHECK(world.told == std::vector<std::string>{"down>down refused"});
  world.board.assume_healthy(world.endpoint, true);
  CHECK(world.endpoint->is_up());
  CHECK(!world.endpoint->up_since_ms());
  CHECK(world.endpoint->service().epoch() == 2);
  CHECK(world.told.size() == 1);
}

TEST_CASE("health board: another weight is a change that leaves the health alone") {
  World world;
  world.board.set_weight_override(world.endpoint, 0, 1, "operator");
  world.board.set_weight_override(world.endpoint, 0, 1, "operator");
  CHECK(world.endpoint->weight_override() == 0U);
  world.board.set_weight_override(world.endpoint, std::nullopt, 2, "file");
  CHECK(!world.endpoint->weight_override());
  CHECK(world.told == std::vector<std::string>{"up>up operator", "up>up file"});
  CHECK(world.endpoint->service().epoch() == 2);
}

}  // namespace lb::health
