// From a listener to an endpoint: shares of backendRefs, refusals and their reasons.
#include "lb/proxy/router.h"

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "test/support/catch.h"
#include "test/unit/proxy/compiled_text.h"

namespace lb::proxy {
namespace {

const std::string kServices =
    "[[services]]\nname = 'a'\nports = [{ port = 1 }]\n"
    "endpoints = [{ address = '10.0.0.1' }, { address = '10.0.0.2', weight = 3 }]\n"
    "loadBalancer.type = 'RoundRobin'\n"
    "[[services]]\nname = 'b'\nports = [{ port = 1 }]\nendpoints = [{ address = '10.0.1.1' }]\n"
    "[[services]]\nname = 'empty'\nports = [{ port = 1 }]\n"
    "[[services]]\nname = 'asleep'\nports = [{ port = 1 }]\n"
    "endpoints = [{ address = '10.0.2.1', ready = false }, { address = '10.0.2.2', weight = 0 }]\n";

// How often each outcome, a service's name or the word of a refusal, came in `picks` choices.
std::map<std::string, int> outcomes(Router& router, int picks) {
  std::map<std::string, int> out;
  for (int i = 0; i < picks; ++i) {
    const Router::Choice choice = router.choose(0);
    ++out[choice.service ? router.snapshot().services.at(*choice.service).name
                         : std::string(to_string(choice.refusal))];
  }
  return out;
}

// A router with the counters that it needs.
struct CountedRouter {
  WorkerStats stats;
  Router router;

  explicit CountedRouter(std::shared_ptr<const Snapshot> snapshot, uint64_t start = 0)
      : router(std::move(snapshot), start, stats) {}
};

CountedRouter router_for(std::string_view backend_refs, uint64_t start = 0) {
  return CountedRouter(compile_text(routed_to(backend_refs) + kServices), start);
}

// The label of the endpoint that a service gives next.
std::string next_of(Router& router, size_t service, std::span<const uint32_t> tried = {}) {
  const uint32_t index = router.pick(service, {tried});
  if (index == balance::kNoEndpoint) return "";
  return router.snapshot().services[service].endpoints[index].endpoint->label();
}

using Counts = std::map<std::string, int>;

}  // namespace

TEST_CASE("router: backendRefs get their shares exactly") {
  CountedRouter counted =
      router_for("{ name = 'a', port = 1, weight = 90 }, { name = 'b', port = 1, weight = 10 }", 3);
  Router& router = counted.router;
  CHECK(outcomes(router, 100) == Counts{{"a", 90}, {"b", 10}});
  CHECK(outcomes(router, 1000) == Counts{{"a", 900}, {"b", 100}});
}

TEST_CASE("router: the weight of a backendRef is 1 where it is not given, and 0 gets nothing") {
  CountedRouter counted = router_for(
      "{ name = 'a', port = 1 }, { name = 'b', port = 1, weight = 2 },"
      "{ name = 'a', port = 1, weight = 0 }, { name = 'missing', port = 1, weight = 0 }");
  Router& router = counted.router;
  CHECK(outcomes(router, 300) == Counts{{"a", 100}, {"b", 200}});
}

TEST_CASE("router: a dead backend keeps its weight and refuses exactly its share") {
  const std::string dead = GENERATE(
      // missing, without such a port, without an endpoint, without a usable one, of a wrong kind,
      // not permitted
      "{ name = 'missing', port = 1, weight = 3 }", "{ name = 'b', port = 2, weight = 3 }",
      "{ name = 'empty', port = 1, weight = 3 }", "{ name = 'asleep', port = 1, weight = 3 }",
      "{ name = 'b', port = 1, weight = 3, kind = 'Bucket', group = 'example.com' }",
      "{ name = 'b', port = 1, weight = 3, namespace = 'elsewhere' }");
  INFO(dead);
  CountedRouter counted = router_for("{ name = 'a', port = 1, weight = 7 }, " + dead);
  Router& router = counted.router;
  CHECK(outcomes(router, 10) == Counts{{"a", 7}, {"no_backend", 3}});
  CHECK(outcomes(router, 1000) == Counts{{"a", 700}, {"no_backend", 300}});
}

TEST_CASE("router: only dead backends refuse everything") {
  CountedRouter counted =
      router_for("{ name = 'missing', port = 1 }, { name = 'empty', port = 1 }");
  Router& router = counted.router;
  CHECK(outcomes(router, 20) == Counts{{"no_backend", 20}});
}

TEST_CASE("router: all weights zero refuse everything, and say so") {
  CountedRouter counted = router_for(
      "{ name = 'a', port = 1, weight = 0 }, { name = 'missing', port = 1, weight = 0 }");
  Router& router = counted.router;
  CHECK(outcomes(router, 20) == Counts{{"all_weights_zero", 20}});
}

TEST_CASE("router: a listener without a route refuses") {
  CountedRouter counted(
      compile_text("gateways = [{ name = 'g', listeners = [{ name = 'l', port = 9000, protocol = "
                   "'TCP' }] }]\n" +
                   kServices));
  Router& router = counted.router;
  CHECK(outcomes(router, 20) == Counts{{"no_route", 20}});
}

TEST_CASE("router: endpoints of a service by weight, and those tried are passed over") {
  CountedRouter counted = router_for("{ name = 'a', port = 1 }");
  Router& router = counted.router;
  std::map<std::string, int> counts;
  for (int i = 0; i < 400; ++i) ++counts[next_of(router, 0)];
  CHECK(counts == Counts{{"10.0.0.1:1", 100}, {"10.0.0.2:1", 300}});

  std::vector<uint32_t> tried = {router.pick(0, {})};
  tried.push_back(router.pick(0, {tried}));
  REQUIRE(tried[1] != balance::kNoEndpoint);
  CHECK(tried[0] != tried[1]);
  CHECK(router.pick(0, {tried}) == balance::kNoEndpoint);
}

TEST_CASE("router: each type of balancing does what its name says") {
  const auto base = compile_text(routed_to("{ name = 'a', port = 1 }") + kServices);
  const auto routed_by = [&](config::LoadBalancerType type) {
    auto snapshot = std::make_shared<Snapshot>(*base);
    ServiceSnapshot& service = snapshot->services.at(0);
    service.policy.load_balancer = type;
    balance::MaglevTables tables;
    if (type == config::LoadBalancerType::kConsistentHash) {
      service.hash_tiers = balance::make_hash_tiers(service.endpoints, 101, 0, tables);
    }
    return CountedRouter(std::move(snapshot));
  };
  const std::span<const balance::WeightedEndpoint> endpoints = base->services.at(0).endpoints;
  const net::Address client = *net::Address::parse("192.0.2.1", 1);
  const auto counts_of = [&](Router& router) {
    std::map<uint32_t, int> counts;
    for (int i = 0; i < 400; ++i) ++counts[router.pick(0, {{}, 0, &client})];
    return counts;
  };
  for (int i = 0; i < 3; ++i) endpoints[1].endpoint->add_active();

  CountedRouter round_robin = routed_by(config::LoadBalancerType::kRoundRobin);
  CHECK(counts_of(round_robin.router) == std::map<uint32_t, int>{{0, 100}, {1, 300}});
  CHECK(!round_robin.router.asks_for_client(0));
  CountedRouter least = routed_by(config::LoadBalancerType::kLeastConnections);
  CHECK(counts_of(least.router) == std::map<uint32_t, int>{{0, 400}});
  CountedRouter random = routed_by(config::LoadBalancerType::kRandom);
  // Not exact, but all of a binomial's mass lies within seven deviations of 8.7.
  const int heavy = counts_of(random.router).at(1);
  CHECK(heavy > 300 - 61);
  CHECK(heavy < 300 + 61);
  CountedRouter hash = routed_by(config::LoadBalancerType::kConsistentHash);
  CHECK(hash.router.asks_for_client(0));
  CHECK(counts_of(hash.router).size() == 1);
  for (int i = 0; i < 3; ++i) endpoints[1].endpoint->remove_active();
}

TEST_CASE("router: choices at random differ from worker to worker and from start to start") {
  auto snapshot =
      std::make_shared<Snapshot>(*compile_text(routed_to("{ name = 'a', port = 1 }") + kServices));
  snapshot->services.at(0).policy.load_balancer = config::LoadBalancerType::kRandom;
  const auto picks = [&](uint64_t start, uint64_t seed) {
    WorkerStats stats;
    Router router(snapshot, start, stats, seed);
    std::vector<uint32_t> out;
    for (int i = 0; i < 200; ++i) out.push_back(router.pick(0, {}));
    return out;
  };
  CHECK(picks(0, 0) == picks(0, 0));
  CHECK(picks(0, 0) != picks(1, 0));
  CHECK(picks(0, 0) != picks(0, 1));
}

TEST_CASE("router: a service keeps one order, whichever backendRef leads to it") {
  CountedRouter counted =
      router_for("{ name = 'a', port = 1, weight = 1 }, { name = 'a', port = 1, weight = 1 }");
  Router& router = counted.router;
  CHECK(router.snapshot().services.size() == 1);
  CHECK(outcomes(router, 10) == Counts{{"a", 10}});
}

TEST_CASE("router: workers begin with different backends and endpoints") {
  const auto snapshot =
      compile_text(routed_to("{ name = 'b', port = 1 }, { name = 'twins', port = 1 }") + kServices +
                   "[[services]]\nname = 'twins'\nports = [{ port = 1 }]\n"
                   "endpoints = [{ address = '10.0.3.1' }, { address = '10.0.3.2' }]\n"
                   "loadBalancer.type = 'RoundRobin'\n");
  CountedRouter counted(snapshot, 0);
  CountedRouter other(snapshot, 1);
  Router& first = counted.router;
  Router& second = other.router;
  CHECK(first.choose(0).service != second.choose(0).service);
  // Services are numbered as the routes name them.
  CHECK(next_of(first, 1) == "10.0.3.1:1");
  CHECK(next_of(second, 1) == "10.0.3.2:1");
}

TEST_CASE("router: each route has its own order") {
  const auto snapshot = compile_text(
      "gateways = [{ name = 'g', listeners = [{ name = 'l', port = 9000, protocol = 'TCP' },"
      "{ name = 'm', port = 9001, protocol = 'TCP' }] }]\n"
      "tcpRoutes = [{ name = 'r', parentRefs = [{ name = 'g', port = 9000 }], rules = [{ "
      "backendRefs = [{ name = 'a', port = 1 }, { name = 'b', port = 1 }] }] },"
      "{ name = 's', parentRefs = [{ name = 'g', port = 9001 }], rules = [{ backendRefs = [{ name "
      "= 'b', port = 1 }, { name = 'a', port = 1 }] }] }]\n" +
      kServices);
  CountedRouter counted(snapshot);
  Router& router = counted.router;
  const auto next = [&](size_t listener) { return router.choose(listener).service.value(); };
  const size_t first_of_r = next(0);
  const size_t first_of_s = next(1);
  for (int i = 1; i < 5; ++i) {
    CHECK((next(0) == first_of_r) == (i % 2 == 0));
    CHECK((next(1) == first_of_s) == (i % 2 == 0));
  }
}

TEST_CASE("counters stay while a router, new or old, counts on them") {
  WorkerStats stats;
  const auto served = compile_text(routed_to("{ name = 'a', port = 1 }") + kServices);
  auto old = std::make_unique<Router>(served, 0, stats);
  old->service_stats(0).retries.add();
  old->listener_stats(0).accepted.add();
  auto fresh = std::make_unique<Router>(
      compile_text(routed_to("{ name = 'b', port = 1 }") + kServices), 0, stats);
  stats.forget_unused();
  CHECK(stats.services().size() == 2);
  CHECK(stats.service("a")->retries.value() == 1);

  old.reset();
  stats.forget_unused();
  CHECK(stats.services().size() == 1);
  CHECK(stats.services().begin()->first.first == "b");
  CHECK(stats.listener("g", "l")->accepted.value() == 1);
  fresh.reset();
  stats.forget_unused();
  CHECK((stats.services().empty() && stats.listeners().empty() && stats.endpoints().empty()));
}

TEST_CASE("router: changes that come often leave everybody his share") {
  balance::EndpointRegistry registry;
  const bool is_same_list = GENERATE(true, false);
  const auto snapshot_of = [&](const std::string& more) {
    return compile_text(
        routed_to("{ name = 'w', port = 1, weight = 99 }, { name = 'o', port = 1 }") +
            "[[services]]\nname = 'o'\nports = [{ port = 1 }]\n"
            "[[services]]\nname = 'w'\nports = [{ port = 1 }]\n"
            "loadBalancer.type = 'RoundRobin'\nendpoints = [" +
            more +
            "{ address = '10.0.0.1' }, { address = '10.0.0.2' },"
            "{ address = '10.0.0.3' }, { address = '10.0.0.4' }]\n",
        registry);
  };
  WorkerStats stats;
  auto router = std::make_unique<Router>(snapshot_of(""), 0, stats);
  Counts services;
  Counts endpoints;
  for (uint64_t i = 0; i < 1'000; ++i) {
    const Router::Choice choice = router->choose(0);
    ++services[choice.service ? "w" : "o"];
    ++endpoints[next_of(*router, 0)];
    const bool has_more = !is_same_list && i % 2 == 0;
    router = std::make_unique<Router>(
        snapshot_of(has_more ? "{ address = '10.0.9.9', weight = 0 }," : ""), 0, stats, 0,
        router.get());
  }
  CHECK(services == Counts{{"o", 10}, {"w", 990}});
  CHECK(endpoints ==
        Counts{{"10.0.0.1:1", 250}, {"10.0.0.2:1", 250}, {"10.0.0.3:1", 250}, {"10.0.0.4:1", 250}});
}

TEST_CASE("router: what is new begins anywhere") {
  Counts services;
  Counts endpoints;
  const auto snapshot = compile_text(
      routed_to("{ name = 'a', port = 1, weight = 99 }, { name = 'b', port = 1 }") + kServices);
  constexpr int kRouters = 20'000;
  for (uint64_t seed = 0; seed < kRouters; ++seed) {
    WorkerStats stats;
    Router router(snapshot, 0, stats, seed);
    ++services[router.snapshot().services.at(*router.choose(0).service).name];
    ++endpoints[next_of(router, 0)];
  }
  CHECK(std::abs(services["b"] - kRouters / 100) < kRouters / 500);
  CHECK(std::abs(endpoints["10.0.0.1:1"] - kRouters / 4) < kRouters / 50);
}

TEST_CASE("router: a new endpoint starts slowly, also where the choice is at random") {
  const std::string type = GENERATE("Random", "RoundRobin");
  INFO(type);
  CountedRouter counted(
      compile_text(routed_to("{ name = 's', port = 1 }") +
                   "[[services]]\nname = 's'\nports = [{ port = 1 }]\n"
                   "endpoints = [{ address = '10.0.0.1' }, { address = '10.0.0.2' }]\n"
                   "loadBalancer = { slowStart.window = '10s', type = '" +
                   type + "' }\n"));
  Router& router = counted.router;
  router.snapshot().services[0].endpoints[1].endpoint->set_up_since_ms(0);
  constexpr int kPicks = 20'000;
  const auto count_new = [&](util::MonoTimeMs now_ms) {
    int count = 0;
    for (int i = 0; i < kPicks; ++i) count += router.pick(0, {{}, now_ms}) == 1 ? 1 : 0;
    return count;
  };
  // 0.55 of its weight at half time; a count is off by 400 in one of 10^8 runs.
  CHECK(std::abs(count_new(5'000) - kPicks * 55 / 155) < 400);
  CHECK(std::abs(count_new(20'000) - kPicks / 2) < 450);
}

}  // namespace lb::proxy
