// What becomes of endpoints before the workers get the configuration that names them.
#include "lb/control/endpoint_care.h"

#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "lb/event/engine_factory.h"
#include "test/support/catch.h"
#include "test/support/port_allocator.h"

namespace lb::control {
namespace {

// Services that a route leads to, by name, each with these lines in its table.
using Services = std::vector<std::pair<std::string, std::string>>;

std::string text_of(const Services& services) {
  std::string refs;
  std::string tables;
  for (const auto& [name, lines] : services) {
    refs += "{ name = '" + name + "', port = 1 },";
    tables += "[[services]]\nname = '" + name + "'\nports = [{ port = 1 }]\n" + lines + "\n";
  }
  return "[[gateways]]\nname = 'g'\naddresses = [{ value = '127.0.0.1' }]\n"
         "listeners = [{ name = 'l', port = 80, protocol = 'TCP' }]\n"
         "[[tcpRoutes]]\nname = 'r'\nparentRefs = [{ name = 'g' }]\nrules = [{ backendRefs = [" +
         refs + "] }]\n" + tables;
}

// A process without workers: only what it decides about endpoints.
struct World {
  World() {
    auto made = event::make_engine(event::EngineKind::kEpoll, {});
    REQUIRE(made.ok());
    engine = *std::move(made);
    care = std::make_unique<EndpointCare>(*engine, workers, log, 16);
  }

  Deployed compile(const Services& services) {
    config::LoadResult loaded = config::load_text(text_of(services), "f");
    for (const config::Fault& fault : loaded.faults) UNSCOPED_INFO(config::format(fault));
    REQUIRE(loaded.config);
    absl::StatusOr<Deployed> compiled = compile_deployed(std::move(loaded), registry);
    REQUIRE(compiled.ok());
    return *std::move(compiled);
  }
  // True when the workers get it at once.
  bool prepare(const Services& services) {
    coming = compile(services);
    is_known = false;
    care->prepare(coming, [this] { is_known = true; });
    return is_known;
  }
  void deploy(const Services& services) {
    REQUIRE(prepare(services));
    served = std::exchange(coming, {});
    care->follow(served);
  }
  void change(const std::string& address, EndpointAction action) {
    REQUIRE(care->change(served, {"s", address, action}).ok());
  }

  util::LogSink sink{STDERR_FILENO, util::RecordFormat::kLogfmt};
  util::Log log{sink, util::LogLevel::kError, util::RecordFormat::kLogfmt};
  std::unique_ptr<event::Engine> engine;
  Deployment::Workers workers;
  balance::EndpointRegistry registry;
  std::unique_ptr<EndpointCare> care;
  Deployed served;
  Deployed coming;
  bool is_known = false;
};

const std::string kCheck = "healthCheck.active = { type = 'TCP' }\n";
const std::string kOne = "endpoints = [{ address = '127.0.0.1', port = 9 }]";

}  // namespace

TEST_CASE("endpoint care: the workers wait for a new endpoint where no other is left") {
  World world;
  world.deploy({{"s", kOne}});
  const auto beside = [](const std::string& old) {
    return kCheck + "endpoints = [" + old + "{ address = '127.0.0.1', port = 10 }]";
  };
  SECTION("the old one serves") {
    CHECK(world.prepare({{"s", beside("{ address = '127.0.0.1', port = 9 },")}}));
  }
  SECTION("the old one is gone") { CHECK(!world.prepare({{"s", beside("")}})); }
  SECTION("the old one is not ready") {
    CHECK(!world.prepare({{"s", beside("{ address = '127.0.0.1', port = 9, ready = false },")}}));
  }
  SECTION("the old one has no weight") {
    CHECK(!world.prepare({{"s", beside("{ address = '127.0.0.1', port = 9, weight = 0 },")}}));
  }
  SECTION("the old one is drained") {
    world.change("127.0.0.1:9", EndpointAction::kDrain);
    CHECK(!world.prepare({{"s", beside("{ address = '127.0.0.1', port = 9 },")}}));
  }
}

TEST_CASE("endpoint care: nobody waits for a new endpoint that takes no part") {
  World world;
  CHECK(world.prepare(
      {{"s", kCheck + "endpoints = [{ address = '127.0.0.1', port = 9, ready = false }]"}}));
}

TEST_CASE("endpoint care: one that is back is what the operator said before anybody uses it") {
  World world;
  const std::string other = "{ address = '127.0.0.1', port = 10 }";
  const std::string both = "endpoints = [{ address = '127.0.0.1', port = 9 }, " + other + "]";
  world.deploy({{"s", both}});
  const std::weak_ptr<balance::Endpoint> old =
      world.served.snapshot->services[0].endpoints[0].endpoint;
  const auto [action, state] =
      GENERATE(std::pair(EndpointAction::kDrain, balance::AdminState::kDrain),
               std::pair(EndpointAction::kDown, balance::AdminState::kDown));
  world.change("127.0.0.1:9", action);
  world.deploy({{"s", "endpoints = [" + other + "]"}});
  REQUIRE(old.expired());
  REQUIRE(world.prepare({{"s", both}}));
  CHECK(world.coming.snapshot->services[0].endpoints[0].endpoint->admin_state() == state);
  CHECK(world.coming.snapshot->services[0].endpoints[1].endpoint->admin_state() ==
        balance::AdminState::kNone);
}

TEST_CASE("endpoint care: one that is up is not down at the first failure of a check it shares") {
  World world;
  const std::string lines =
      fmt::format("endpoints = [{{ address = '127.0.0.1', port = {} }}]", test::allocate_port());
  const std::string checked =
      "healthCheck.active = { type = 'TCP', unhealthyThreshold = 100 }\n" + lines;
  const bool is_new_first = GENERATE(false, true);
  world.deploy({{"s", lines}});
  const std::shared_ptr<balance::Endpoint> old =
      world.served.snapshot->services[0].endpoints[0].endpoint;
  Services services = {{"s", checked}, {"new", checked}};
  if (is_new_first) std::swap(services[0], services[1]);
  REQUIRE(!world.prepare(services));
  while (!world.is_known) world.engine->run_once(util::kNever);
  CHECK(old->is_healthy());
  for (const proxy::ServiceSnapshot& service : world.coming.snapshot->services) {
    if (service.name == "new") CHECK(!service.endpoints[0].endpoint->is_healthy());
  }
}

}  // namespace lb::control
