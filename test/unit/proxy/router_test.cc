// From a listener to an endpoint: shares of backendRefs, refusals and their reasons.
#include "lb/proxy/router.h"

#include <map>
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
  const uint32_t index = router.pick(service, tried);
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
  tried.push_back(router.pick(0, tried));
  REQUIRE(tried[1] != balance::kNoEndpoint);
  CHECK(tried[0] != tried[1]);
  CHECK(router.pick(0, tried) == balance::kNoEndpoint);
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
  for (int i = 0; i < 4; ++i) {
    const auto of_r = router.choose(0).service;
    const auto of_s = router.choose(1).service;
    REQUIRE((of_r && of_s));
    CHECK(snapshot->services[*of_r].name == (i % 2 == 0 ? "a" : "b"));
    CHECK(snapshot->services[*of_s].name == (i % 2 == 0 ? "b" : "a"));
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

}  // namespace lb::proxy
