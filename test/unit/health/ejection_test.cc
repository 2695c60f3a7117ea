#include "lb/health/ejection.h"

#include <set>
#include <string>
#include <vector>

#include "lb/balance/endpoint_registry.h"
#include "test/support/catch.h"

namespace lb::health {
namespace {

using Outcome = Ejections::Outcome;

constexpr config::PassiveCheck kPolicy = {.consecutive_connect_failures = 3,
                                          .base_ejection_ms = 100,
                                          .max_ejection_ms = 250,
                                          .max_ejection_percent = 50};

struct World {
  explicit World(size_t endpoints, const config::PassiveCheck& policy = kPolicy) {
    board.follow(
        [this](const HealthChange& change) { whys.insert(why = std::string(change.why)); });
    group.policy = policy;
    for (size_t i = 0; i < endpoints; ++i) {
      const auto port = static_cast<uint16_t>(i + 1);
      group.endpoints.push_back(
          {registry.find_or_make("s", *net::Address::parse("10.0.0.1", port)), 1});
    }
    ejections.follow({group}, 0);
  }

  const std::shared_ptr<balance::Endpoint>& at(size_t i) { return group.endpoints[i].endpoint; }
  Outcome fail(size_t i, util::MonoTimeMs now_ms) { return ejections.note_failing(at(i), now_ms); }
  // "..x.": who is ejected.
  std::string picture() {
    std::string picture;
    for (size_t i = 0; i < group.endpoints.size(); ++i) picture += at(i)->is_ejected() ? 'x' : '.';
    return picture;
  }

  balance::EndpointRegistry registry;
  HealthBoard board;
  Ejections ejections{board};
  Ejections::Group group;
  std::string why;  // of the last change
  std::set<std::string> whys;
};

}  // namespace

TEST_CASE("ejection: the n-th in a row lasts n times the base, up to the ceiling") {
  CHECK(ejection_ms(kPolicy, 1) == 100);
  CHECK(ejection_ms(kPolicy, 2) == 200);
  CHECK(ejection_ms(kPolicy, 3) == 250);
  CHECK(ejection_ms(kPolicy, UINT32_MAX) == 250);
  config::PassiveCheck policy = kPolicy;
  policy.base_ejection_ms = 300;
  CHECK(ejection_ms(policy, 1) == 250);
  policy.base_ejection_ms = policy.max_ejection_ms = INT64_MAX;
  CHECK(ejection_ms(policy, 2) == INT64_MAX);
}

TEST_CASE("ejection: it ends when its time is over, and the next one is longer") {
  World world(2);
  CHECK(world.ejections.next_ms() == util::kNever);
  CHECK(world.fail(0, 1000) == Outcome::kEjected);
  CHECK(world.why == "3 connects failed in a row; ejected for 100 ms");
  CHECK(world.fail(0, 1001) == Outcome::kNotAsked);
  CHECK(world.ejections.next_ms() == 1100);
  world.ejections.readmit_due(1099);
  CHECK(world.picture() == "x.");
  world.ejections.readmit_due(1100);
  CHECK(world.picture() == "..");
  CHECK(world.why == "its ejection is over");
  CHECK(world.ejections.next_ms() == util::kNever);

  for (const int64_t duration_ms : {200, 250, 250}) {
    CHECK(world.fail(0, 1150) == Outcome::kEjected);
    CHECK(world.ejections.next_ms() == 1150 + duration_ms);
    world.ejections.readmit_due(1150 + duration_ms);
    CHECK(world.picture() == "..");
  }
}

TEST_CASE("ejection: a row gets shorter by one for each base time without another") {
  World world(2);
  util::MonoTimeMs now_ms = 0;
  const auto eject_for = [&](util::MonoTimeMs pause_ms) {
    now_ms += pause_ms;
    CHECK(world.fail(0, now_ms) == Outcome::kEjected);
    const util::MonoTimeMs duration_ms = world.ejections.next_ms() - now_ms;
    now_ms = world.ejections.next_ms();
    world.ejections.readmit_due(now_ms);
    return duration_ms;
  };
  CHECK(eject_for(0) == 100);
  CHECK(eject_for(99) == 200);
  CHECK(eject_for(100) == 200);  // two, less one, and one more
  CHECK(eject_for(0) == 250);
  CHECK(eject_for(200) == 200);  // the row was three long, for nothing is longer than 250
  CHECK(eject_for(10'000) == 100);
}

TEST_CASE("ejection: at most the percentage, at least one, and never all") {
  const auto most = [](size_t endpoints, uint32_t percent) {
    config::PassiveCheck policy = kPolicy;
    policy.max_ejection_percent = percent;
    World world(endpoints, policy);
    size_t ejected = 0;
    for (size_t i = 0; i < endpoints; ++i) ejected += world.fail(i, 0) == Outcome::kEjected ? 1 : 0;
    return ejected;
  };
  CHECK(most(1, 50) == 0);
  CHECK(most(1, 100) == 0);
  CHECK(most(2, 50) == 1);
  CHECK(most(2, 100) == 1);
  CHECK(most(3, 50) == 1);
  CHECK(most(3, 100) == 2);
  CHECK(most(4, 50) == 2);
  CHECK(most(10, 1) == 1);
  CHECK(most(10, 0) == 0);
  CHECK(most(10, 35) == 3);
}

TEST_CASE("ejection: those that take no connections anyway are not what is left") {
  World world(3);
  world.board.set_admin_state(world.at(1), balance::AdminState::kDrain, 0, "operator");
  world.board.set_healthy(world.at(2), false, 0, "check");
  CHECK(world.fail(0, 0) == Outcome::kTooMany);
  world.board.set_healthy(world.at(2), true, 0, "check");
  CHECK(world.fail(0, 0) == Outcome::kEjected);
  // Nor are they worth ejecting.
  CHECK(world.fail(1, 0) == Outcome::kTooMany);
  world.board.set_admin_state(world.at(1), balance::AdminState::kDown, 0, "operator");
  CHECK(world.fail(1, 0) == Outcome::kNotAsked);
}

TEST_CASE("ejection: who was ejected first comes back when no other is left") {
  config::PassiveCheck policy = kPolicy;
  policy.max_ejection_percent = 100;
  World world(3, policy);
  CHECK(world.fail(1, 10) == Outcome::kEjected);
  CHECK(world.fail(0, 20) == Outcome::kEjected);
  SECTION("by a check") {
    world.board.set_healthy(world.at(2), false, 30, "check");
    CHECK(world.picture() == "x..");
    CHECK(world.whys.contains("too few others are left"));
  }
  SECTION("by the operator") {
    world.board.set_weight_override(world.at(2), 0, 30, "operator");
    CHECK(world.picture() == "x..");
  }
  SECTION("by a configuration") {
    Ejections::Group next = world.group;
    next.endpoints.pop_back();
    world.ejections.follow({next}, 30);
    CHECK(world.picture() == "x..");
    next.policy.consecutive_connect_failures = 0;
    world.ejections.follow({next}, 40);
    CHECK(world.picture() == "...");
    CHECK(world.why == "ejection is off");
    CHECK(world.fail(0, 50) == Outcome::kNotAsked);
  }
}

TEST_CASE("ejection: each port of a service keeps one") {
  World world(4);
  Ejections::Group one = world.group;
  Ejections::Group other = world.group;
  one.endpoints = {world.group.endpoints[0], world.group.endpoints[1]};
  other.endpoints = {world.group.endpoints[1], world.group.endpoints[2], world.group.endpoints[3]};
  world.ejections.follow({one, other}, 0);
  CHECK(world.fail(1, 0) == Outcome::kEjected);
  CHECK(world.fail(0, 0) == Outcome::kTooMany);
  CHECK(world.fail(2, 0) == Outcome::kTooMany);
}

TEST_CASE("ejection: it outlives a configuration, and an absence from it") {
  World world(4);
  CHECK(world.fail(0, 0) == Outcome::kEjected);
  CHECK(world.fail(1, 0) == Outcome::kEjected);
  Ejections::Group without = world.group;
  without.endpoints.erase(without.endpoints.begin());
  world.ejections.follow({without}, 50);
  CHECK(world.picture() == "xx..");
  world.ejections.follow({world.group}, 60);
  CHECK(world.picture() == "xx..");
  CHECK(world.ejections.next_ms() == 100);

  Ejections::Group quicker = world.group;
  quicker.policy.max_ejection_ms = 70;
  world.ejections.follow({quicker}, 60);
  CHECK(world.ejections.next_ms() == 70);
  world.ejections.readmit_due(70);
  CHECK(world.picture() == "....");
}

TEST_CASE("ejection: an active success ends it, and what failed before is forgotten") {
  World world(2);
  CHECK(world.fail(0, 0) == Outcome::kEjected);
  CHECK(!world.at(0)->count_connect_failure(2));
  world.board.set_healthy(world.at(0), true, 20, "check");
  CHECK(world.picture() == "..");
  CHECK(world.ejections.next_ms() == util::kNever);
  CHECK(!world.at(0)->count_connect_failure(2));
  CHECK(world.fail(0, 30) == Outcome::kEjected);
  CHECK(world.ejections.next_ms() == 230);
}

TEST_CASE("ejection: unknown endpoints are left alone") {
  World world(2);
  const auto stranger = world.registry.find_or_make("s", *net::Address::parse("10.0.0.2", 1));
  CHECK(world.ejections.note_failing(stranger, 0) == Outcome::kNotAsked);
  CHECK(!stranger->is_ejected());
}

}  // namespace lb::health
