// The health checker over the simulated engine: hours of checks in moments, every result chosen.
#include "lb/health/health_checker.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "lb/balance/endpoint_registry.h"
#include "test/sim/sim_engine.h"
#include "test/support/catch.h"
#include "test/support/scale.h"
#include "test/support/socket.h"

namespace lb::sim {
namespace {

using health::FirstResults;
using health::HealthChecker;

// A network that does nothing odd, so that times are as the schedule says.
SimOptions calm(uint64_t seed) {
  return {.seed = seed,
          .max_delay_ms = 1,
          .pause_one_in = 0,
          .min_socket_bytes = 65536,
          .short_one_in = 0,
          .late_turn_one_in = 0};
}

config::ActiveCheck every(int64_t interval_ms, uint32_t unhealthy = 3, uint32_t healthy = 1) {
  config::ActiveCheck check;
  check.interval_ms = interval_ms;
  check.unhealthy_threshold = unhealthy;
  check.healthy_threshold = healthy;
  return check;
}

struct World {
  enum class Mood { kUp, kRefusing, kSilent };

  struct Server {
    Mood mood = Mood::kUp;
    std::vector<util::MonoTimeMs> asked_ms;
  };

  explicit World(uint64_t seed, uint32_t max_probes = 256) : World(calm(seed), max_probes) {}
  World(const SimOptions& options, uint32_t max_probes)
      : network(options, 1'000'000), engine(network, event::EngineOptions()) {
    board.follow([this](const health::HealthChange& change) {
      if (change.was_up == change.is_up && !change.is_first) return;
      told.push_back(change.endpoint->label() + (change.is_up ? " up: " : " down: ") +
                     std::string(change.why));
    });
    checker = std::make_unique<HealthChecker>(engine, board, max_probes, options.seed);
  }
  ~World() {
    checker.reset();
    CHECK(network.open_fds() == 0);
    CHECK(engine.in_flight() == 0);
  }

  // The n-th server; it exists from when it is first named.
  static net::Address address(size_t n) {
    return test::ip_address("10.0." + std::to_string(n / 250) + "." + std::to_string(1 + n % 250),
                            80);
  }
  Server& server(size_t n) {
    const auto [entry, is_new] = servers.try_emplace(n);
    Server& server = entry->second;
    if (is_new) {
      network.add_server(address(n), {.answer =
                                          [this, &server] {
                                            server.asked_ms.push_back(engine.now_ms());
                                            SimAnswer answer;
                                            answer.is_silent = server.mood == Mood::kSilent;
                                            if (server.mood == Mood::kRefusing) {
                                              answer.result = -ECONNREFUSED;
                                            }
                                            return answer;
                                          },
                                      .accepted = [](SimSocket&) {}});
    }
    return server;
  }
  std::shared_ptr<balance::Endpoint> endpoint(size_t n, const std::string& service = "s") {
    server(n);
    return registry.find_or_make(service, address(n));
  }
  HealthChecker::Followed followed(size_t n, std::optional<config::ActiveCheck> check,
                                   const std::string& service = "s") {
    return {endpoint(n, service), std::move(check), config::ProxyVersion::kNone};
  }

  void run_for(int64_t duration_ms) {
    const util::MonoTimeMs end_ms = engine.now_ms() + duration_ms;
    while (engine.now_ms() < end_ms) {
      engine.run_once(end_ms);
      // One that got no descriptor is a probe until it has told.
      if (network.open_fds() > checker->probes()) FAIL("a descriptor without a probe");
      most_probes = std::max(most_probes, checker->probes());
    }
  }

  SimNetwork network;
  SimEngine engine;
  balance::EndpointRegistry registry;
  health::HealthBoard board;
  std::map<size_t, Server> servers;
  std::vector<std::string> told;
  uint32_t most_probes = 0;
  std::unique_ptr<HealthChecker> checker;
};

using Mood = World::Mood;

}  // namespace

TEST_CASE("checker: at a start nothing is up before its first success, and that is no news") {
  World world(test::test_seed());
  world.server(1).mood = Mood::kRefusing;
  world.checker->follow({world.followed(0, every(3000)), world.followed(1, every(3000))});
  CHECK(!world.endpoint(0)->is_healthy());
  const util::MonoTimeMs begun_ms = world.engine.now_ms();
  util::MonoTimeMs known_ms = -1;
  world.checker->await_first_results(FirstResults::Wanted::kAll,
                                     [&] { known_ms = world.engine.now_ms(); });
  CHECK(known_ms == -1);
  world.run_for(1000);
  CHECK(known_ms - begun_ms < 20);
  CHECK(world.endpoint(0)->is_healthy());
  CHECK(!world.endpoint(0)->up_since_ms());
  CHECK(!world.endpoint(1)->is_healthy());
  CHECK(world.told == std::vector<std::string>{"10.0.0.2:80 down: connect: Connection refused"});
  world.server(1).mood = Mood::kUp;
  world.run_for(4000);
  CHECK(world.told.back() == "10.0.0.2:80 up: its check succeeds");
  CHECK(world.endpoint(1)->up_since_ms());
}

TEST_CASE("checker: nobody waits for a silent server longer than its timeout") {
  World world(test::test_seed());
  world.server(0).mood = Mood::kSilent;
  world.checker->follow({world.followed(0, every(3000)), world.followed(1, every(3000))});
  const util::MonoTimeMs begun_ms = world.engine.now_ms();
  util::MonoTimeMs known_ms = -1;
  world.checker->await_first_results(FirstResults::Wanted::kAll,
                                     [&] { known_ms = world.engine.now_ms(); });
  world.run_for(2000);
  CHECK(known_ms == begun_ms + 1000);
  CHECK(world.told == std::vector<std::string>{"10.0.0.1:80 down: timeout after 1000 ms: connect"});

  // Later one that is up is enough, of each service.
  world.server(2).mood = Mood::kSilent;
  world.checker->follow({world.followed(1, every(3000)), world.followed(2, every(3000))});
  bool is_known = false;
  world.checker->await_first_results(FirstResults::Wanted::kOnePerService,
                                     [&] { is_known = true; });
  CHECK(is_known);
  world.checker->follow({world.followed(2, every(3000)), world.followed(3, every(3000)),
                         world.followed(4, std::nullopt)});
  is_known = false;
  world.checker->await_first_results(FirstResults::Wanted::kAll, [&] { is_known = true; });
  // Whoever stops the checks does not leave anybody waiting.
  world.checker->stop();
  CHECK(is_known);
}

TEST_CASE("checker: what is healthy at first serves at once, and goes down by the threshold") {
  World world(test::test_seed());
  config::ActiveCheck check = every(1000);
  check.initial = config::InitialHealth::kHealthy;
  world.server(0).mood = Mood::kRefusing;
  world.checker->follow({world.followed(0, check)});
  bool is_known = false;
  world.checker->await_first_results(FirstResults::Wanted::kAll, [&] { is_known = true; });
  CHECK(is_known);
  CHECK(world.endpoint(0)->is_healthy());
  world.run_for(2000);
  CHECK(!world.endpoint(0)->is_healthy());
  const std::vector<util::MonoTimeMs>& asked_ms = world.server(0).asked_ms;
  REQUIRE(asked_ms.size() >= 3);
  // Faster while it was changing: 250 ms each, less a tenth at most.
  CHECK(asked_ms[2] - asked_ms[0] <= 2 * 250 + 5);
  CHECK(asked_ms[2] - asked_ms[0] >= 2 * 225);
}

TEST_CASE(
    "checker: a server that flaps goes down and up as the thresholds say, and not otherwise") {
  World world(test::test_seed());
  const auto check = every(1000, 2, 2);
  world.checker->follow({world.followed(0, check)});
  world.run_for(5000);
  CHECK(world.told.empty());
  // Every interval another mood, for ten minutes: never two alike in a row, so nothing changes.
  for (int i = 0; i < 600; ++i) {
    World::Server& server = world.server(0);
    server.mood = i % 2 == 0 ? Mood::kRefusing : Mood::kUp;
    const size_t asked = server.asked_ms.size();
    while (server.asked_ms.size() == asked) world.run_for(1);
  }
  CHECK(world.told.empty());
  CHECK(world.endpoint(0)->is_healthy());
  size_t transitions = 0;
  for (int i = 0; i < 20; ++i) {
    world.server(0).mood = i % 2 == 0 ? Mood::kRefusing : Mood::kUp;
    world.run_for(10'000);
    CHECK(world.told.size() == ++transitions);
    CHECK(world.endpoint(0)->is_healthy() == (i % 2 == 1));
  }
}

TEST_CASE("checker: endpoints that are asked the same share a check, others do not") {
  World world(test::test_seed());
  config::ActiveCheck other = every(1000);
  other.timeout_ms = 999;
  const std::vector<HealthChecker::Followed> shared = {world.followed(0, every(1000), "a"),
                                                       world.followed(0, every(1000), "b"),
                                                       world.followed(0, every(1000), "b")};
  world.checker->follow(shared);
  world.run_for(100'000);
  // One at once, and then one a second.
  CHECK(world.server(0).asked_ms.size() >= 100);
  CHECK(world.server(0).asked_ms.size() <= 102);
  CHECK(world.endpoint(0, "a")->is_healthy());
  CHECK(world.endpoint(0, "b")->is_healthy());
  const std::vector<HealthChecker::Figures> figures = world.checker->figures();
  REQUIRE(figures.size() == 2);
  for (const HealthChecker::Figures& of : figures) {
    CHECK(of.results[0] >= 99);
    CHECK(of.results[1] + of.results[2] + of.results[3] == 0);
  }
  // A third that comes later knows what is known.
  std::vector<HealthChecker::Followed> more = shared;
  more.push_back(world.followed(0, every(1000), "c"));
  world.checker->follow(more);
  CHECK(world.endpoint(0, "c")->is_healthy());
  more.push_back(world.followed(0, other, "d"));
  world.checker->follow(more);
  CHECK(!world.endpoint(0, "d")->is_healthy());
  const size_t asked = world.server(0).asked_ms.size();
  world.run_for(100'000);
  CHECK(world.server(0).asked_ms.size() - asked >= 199);
  CHECK(world.server(0).asked_ms.size() - asked <= 203);
  world.server(0).mood = Mood::kRefusing;
  world.run_for(10'000);
  for (const char* const service : {"a", "b", "c", "d"}) {
    CHECK(!world.endpoint(0, service)->is_healthy());
  }
}

TEST_CASE("checker: a reload keeps what is known, and what is due") {
  World world(test::test_seed());
  const auto check = every(3000, 3, 3);
  world.checker->follow({world.followed(0, check), world.followed(1, check)});
  world.run_for(10'000);
  world.server(0).mood = Mood::kRefusing;
  // Two failures of three are counted, and a reload does not forget them, nor hurry the third.
  const size_t asked = world.server(0).asked_ms.size();
  while (world.server(0).asked_ms.size() < asked + 2) world.run_for(1);
  world.run_for(10);
  CHECK(world.endpoint(0)->is_healthy());
  world.checker->follow({world.followed(0, check), world.followed(1, check)});
  world.run_for(500);
  CHECK(world.server(0).asked_ms.size() == asked + 2);
  world.run_for(300);
  CHECK(world.server(0).asked_ms.size() == asked + 3);
  CHECK(!world.endpoint(0)->is_healthy());
  world.checker->follow({world.followed(0, check), world.followed(1, check)});
  CHECK(!world.endpoint(0)->is_healthy());
  CHECK(world.told.size() == 1);

  // A service that is not checked any more has no sick endpoints; one that gets a check has them
  // by the threshold; another check begins with what the old one knew.
  world.checker->follow({world.followed(0, std::nullopt), world.followed(1, check)});
  CHECK(world.endpoint(0)->is_healthy());
  CHECK(world.told.back() == "10.0.0.1:80 up: not checked any more");
  world.run_for(10'000);
  world.checker->follow({world.followed(0, check), world.followed(1, every(2999, 3, 3))});
  CHECK(world.endpoint(0)->is_healthy());
  CHECK(world.endpoint(1)->is_healthy());
  world.run_for(700);
  CHECK(world.endpoint(0)->is_healthy());
  world.run_for(1500);
  CHECK(!world.endpoint(0)->is_healthy());
  CHECK(world.endpoint(1)->is_healthy());

  // One that comes by a reload gets nothing before its first success, which is news then.
  world.checker->follow({world.followed(2, check)});
  CHECK(!world.endpoint(2)->is_healthy());
  world.run_for(100);
  CHECK(world.told.back() == "10.0.0.3:80 up: its check succeeds");
}

TEST_CASE("checker: a cap on probes is kept, and those that wait have their turn") {
  World world(test::test_seed(), 16);
  std::vector<HealthChecker::Followed> followed;
  for (size_t i = 0; i < 100; ++i) {
    world.server(i).mood = i % 2 == 0 ? Mood::kSilent : Mood::kUp;
    followed.push_back(world.followed(i, every(1000)));
  }
  world.checker->follow(followed);
  world.run_for(60'000);
  CHECK(world.most_probes == 16);
  // 50 silent ones take a place for a second each: a round takes 50 / 16 s.
  for (size_t i = 0; i < 100; ++i) {
    CHECK(world.server(i).asked_ms.size() >= 60 / 4 - 2);
    CHECK(world.endpoint(i)->is_healthy() == (i % 2 == 1));
  }
}

TEST_CASE("checker: 500 endpoints every 3 s, at a start and for a minute: no herd") {
  World world(test::test_seed());
  std::vector<HealthChecker::Followed> followed;
  for (size_t i = 0; i < 500; ++i) followed.push_back(world.followed(i, every(3000)));
  world.checker->follow(followed);
  world.run_for(60'000);
  std::map<int64_t, int> bins;
  size_t asked = 0;
  for (const auto& [n, server] : world.servers) {
    asked += server.asked_ms.size();
    for (const util::MonoTimeMs at_ms : server.asked_ms) ++bins[at_ms / 10];
  }
  int most = 0;
  for (const auto& [bin, count] : bins) most = std::max(most, count);
  // As in check_schedule_test.cc.
  CHECK(most < 55);
  CHECK(asked >= 500 * 20);
  CHECK(asked <= 500 * 22);
}

TEST_CASE("checker: when this host has no descriptor, the servers are not to blame") {
  World world(test::test_seed());
  world.checker->follow({world.followed(0, every(1000)), world.followed(1, every(1000))});
  world.run_for(3000);
  world.network.set_fd_limit(0);
  world.run_for(20'000);
  CHECK(world.endpoint(0)->is_healthy());
  CHECK(world.told.empty());
  CHECK(world.checker->figures().front().results[3] >= 18);
}

TEST_CASE("checker: whatever happens, nothing is left behind and the truth comes out") {
  util::Random seeds(test::test_seed());
  for (uint64_t run = 0; run < test::scaled(30, 5); ++run) {
    SimOptions options;
    options.seed = seeds.next();
    options.emfile_one_in = 20;
    options.starve_one_in = 5;
    INFO("seed " << options.seed);
    util::Random random(options.seed);
    World world(options, 8);
    std::vector<config::ActiveCheck> checks = {every(500), every(700, 1, 2)};
    checks[0].tcp.send = "PING";
    checks[1].timeout_ms = 2000;
    std::vector<HealthChecker::Followed> followed;
    for (int step = 0; step < 20; ++step) {
      followed.clear();
      for (size_t n = 0; n < 20; ++n) {
        world.server(n).mood = static_cast<Mood>(random.below(3));
        if (random.one_in(4)) continue;
        std::optional<config::ActiveCheck> check;
        if (!random.one_in(5)) check = checks[random.below(2)];
        followed.push_back(world.followed(n, check, random.one_in(2) ? "a" : "b"));
      }
      world.checker->follow(followed);
      if (random.one_in(2)) {
        world.checker->await_first_results(FirstResults::Wanted::kAll, [] {});
      }
      world.run_for(static_cast<int64_t>(random.below(3000)));
    }
    for (size_t n = 0; n < 20; ++n) {
      if (world.server(n).mood == Mood::kSilent) world.server(n).mood = Mood::kRefusing;
    }
    world.run_for(120'000);
    for (const HealthChecker::Followed& of : followed) {
      const size_t n = [&] {
        size_t i = 0;
        while (!(World::address(i) == of.endpoint->address())) ++i;
        return i;
      }();
      CHECK(of.endpoint->is_healthy() == (!of.check || world.server(n).mood == Mood::kUp));
    }
    if (random.one_in(2)) world.checker->stop();
  }
}

}  // namespace lb::sim
