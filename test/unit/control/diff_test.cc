// What a reload would change, counted; and how the answers of a running process read.
#include "lb/control/admin/diff.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "lb/control/admin/status_services.h"
#include "lb/control/client/client_text.h"
#include "test/support/catch.h"

namespace lb::control {
namespace {

const std::string kConfig =
    "[[gateways]]\nname = 'g'\naddresses = [{ value = '127.0.0.1' }]\n"
    "listeners = [{ name = 'a', port = 81, protocol = 'TCP' },\n"
    "  { name = 'b', port = 82, protocol = 'TCP' }]\n"
    "[[tcpRoutes]]\nname = 'r'\nparentRefs = [{ name = 'g' }]\n"
    "rules = [{ backendRefs = [{ name = 's', port = 1 }] }]\n"
    "[[services]]\nname = 's'\nports = [{ port = 1 }, { port = 2, name = 'x', targetPort = 1 }]\n"
    "endpoints = [{ address = '10.0.0.1' }, { address = '10.0.0.2' },\n"
    "  { address = '::1', port = 7, ready = false }, { path = '@p' }]\n";

Deployed deployed(const std::string& config) {
  config::LoadResult loaded = config::load_text(config, "f");
  for (const config::Fault& fault : loaded.faults) UNSCOPED_INFO(config::format(fault));
  REQUIRE(loaded.config);
  balance::EndpointRegistry registry;
  absl::StatusOr<Deployed> compiled = compile_deployed(std::move(loaded), registry);
  REQUIRE(compiled.ok());
  return *std::move(compiled);
}

std::string replaced(std::string_view from, std::string_view to) {
  std::string config = kConfig;
  const size_t at = config.find(from);
  REQUIRE(at != std::string::npos);
  return config.replace(at, from.size(), to);
}

// "added/removed/changed".
std::string text(const ChangeCount& count) {
  return fmt::format("{}/{}/{}", count.added, count.removed, count.changed);
}

std::string counts(const std::string& candidate) {
  const Deployed before = deployed(kConfig);
  const Diff result = diff(before, deployed(candidate), {});
  return text(result.listeners) + " " + text(result.routes) + " " + text(result.endpoints);
}

TEST_CASE("a diff counts listeners, routes and endpoints") {
  CHECK(counts(kConfig) == "0/0/0 0/0/0 0/0/0");
  CHECK(counts("\n\n# moved\n" + kConfig) == "0/0/0 0/0/0 0/0/0");
  CHECK(counts(replaced("port = 82", "port = 83")) == "0/0/1 0/0/0 0/0/0");
  CHECK(counts(replaced("name = 'b'", "name = 'c'")) == "1/1/0 0/0/0 0/0/0");
  CHECK(counts("defaults.listener.timeout.tcp.idleTimeout = '1s'\n" + kConfig) ==
        "0/0/2 0/0/0 0/0/0");
  CHECK(counts(replaced("port = 1 }] }]", "port = 1, weight = 2 }] }]")) == "0/0/0 0/0/1 0/0/0");
  CHECK(counts(replaced("{ name = 'g' }", "{ name = 'g', sectionName = 'a' }")) ==
        "0/0/1 0/0/1 0/0/0");
  CHECK(counts(replaced("name = 'r'", "name = 'q'")) == "0/0/2 1/1/0 0/0/0");
  CHECK(counts(replaced("'10.0.0.2'", "'10.0.0.3'")) == "0/0/0 0/0/0 1/1/0");
  CHECK(counts(replaced("'10.0.0.2'", "'10.0.0.2', weight = 5")) == "0/0/0 0/0/0 0/0/1");
  CHECK(counts(replaced("'10.0.0.2'", "'10.0.0.2', priority = 1")) == "0/0/0 0/0/0 0/0/1");
  CHECK(counts(replaced("'10.0.0.2'", "'10.0.0.2', maxConnections = 9")) == "0/0/0 0/0/0 0/0/1");
  CHECK(counts("defaults.service.retry.maxAttempts = 1\n" + kConfig) == "0/0/0 0/0/0 0/0/3");
}

TEST_CASE("a diff counts the connections that outlive what they came by") {
  const Deployed before = deployed(kConfig);
  proxy::WorkerStats worker;
  worker.listener("g", "a")->accepted.add(5);
  worker.listener("g", "b")->accepted.add(4);
  worker.listener("g", "b")->ended.add(1);
  worker.listener("long gone", "b")->accepted.add(9);
  for (int i = 0; i < 2; ++i) before.snapshot->services[0].endpoints[1].endpoint->add_active();
  const Deployed no_listener = deployed(replaced("name = 'b'", "name = 'c'"));
  const Diff listener_gone = diff(before, no_listener, {&worker, &worker});
  CHECK(listener_gone.connections_on_removed_listeners == 6);
  CHECK(listener_gone.connections_on_removed_endpoints == 0);
  const Diff endpoint_gone = diff(before, deployed(replaced("10.0.0.2", "10.0.0.3")), {});
  CHECK(endpoint_gone.connections_on_removed_listeners == 0);
  CHECK(endpoint_gone.connections_on_removed_endpoints == 2);
}

TEST_CASE("status lists every endpoint of every service once, with what is live") {
  const Deployed served = deployed(kConfig +
                                   "[[services]]\nname = 'idle'\nnamespace = 'n'\n"
                                   "ports = [{ port = 5 }]\n");
  served.snapshot->services[0].endpoints[1].endpoint->add_active();
  const nlohmann::json services = services_status(served);
  REQUIRE(services.size() == 2);
  CHECK(services[0]["name"] == "s");
  CHECK(services[0]["namespace"] == "default");
  const nlohmann::json& endpoints = services[0]["endpoints"];
  REQUIRE(endpoints.size() == 4);
  CHECK(endpoints[1] == nlohmann::json({{"address", "10.0.0.2"},
                                        {"port", 1},
                                        {"healthy", true},
                                        {"weight", 1},
                                        {"active", 1},
                                        {"override", nullptr}}));
  CHECK(endpoints[2]["port"] == 7);
  CHECK(endpoints[2]["healthy"] == false);
  CHECK(endpoints[3]["address"] == "@p");
  CHECK(endpoints[3]["port"] == 0);
  CHECK(services[1]["namespace"] == "n");
  CHECK(services[1]["endpoints"].empty());
}

TEST_CASE("status calls healthy what an operator says is ready") {
  const Deployed served = deployed(kConfig);
  balance::Endpoint& endpoint = *served.snapshot->services[0].endpoints[2].endpoint;
  const auto is_healthy = [&] {
    return services_status(served)[0]["endpoints"][2]["healthy"].get<bool>();
  };
  CHECK(!is_healthy());
  endpoint.set_admin_state(balance::AdminState::kReady);
  CHECK(is_healthy());
  endpoint.set_healthy(false);
  CHECK(!is_healthy());
}

TEST_CASE("status reads as one screen") {
  const nlohmann::json status = nlohmann::json::parse(R"json({
    "generation": 3, "engine": "epoll", "connections": 2, "notReady": "draining",
    "lastReload": {"applied": false, "error": "f:1:2: no"},
    "gateways": [{"namespace": "default", "name": "g",
      "conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted"}],
      "listeners": [{"name": "l", "attachedRoutes": 1, "conditions": [
        {"type": "Conflicted", "status": "False", "reason": "NoConflicts"},
        {"type": "Programmed", "status": "False", "reason": "Invalid"}]}]}],
    "tcpRoutes": [{"namespace": "n", "name": "r", "parents": [
      {"parentRef": {"name": "g", "sectionName": "l", "port": 80},
       "conditions": [{"type": "Accepted", "status": "True"}]}]}],
    "services": [{"namespace": "default", "name": "s", "endpoints": [
      {"address": "::1", "port": 9, "healthy": true, "weight": 4, "active": 2,
       "override": "drain"},
      {"address": "/p", "port": 0, "healthy": false, "weight": 1000000, "active": 0,
       "override": null},
      {"address": "/q", "port": 0, "healthy": true, "weight": 0.35, "active": 0,
       "override": null}]}]})json");
  CHECK(status_text(status) ==
        "generation 3, engine epoll, 2 connections, draining\n"
        "the last reload was refused: f:1:2: no\n"
        "\n"
        "GATEWAY    LISTENER  ROUTES  CONDITIONS\n"
        "default/g                    Accepted\n"
        "           l         1       Programmed=False (Invalid)\n"
        "\n"
        "ROUTE  PARENT   CONDITIONS\n"
        "n/r    g l :80  Accepted\n"
        "\n"
        "SERVICE    ENDPOINT  HEALTHY  WEIGHT   CONNECTIONS  OVERRIDE\n"
        "default/s  [::1]:9   yes      4        2            drain\n"
        "           /p        no       1000000  0\n"
        "           /q        yes      0.35     0\n");
  CHECK(status_text(nlohmann::json::object()) == "generation 0, engine \n");
}

}  // namespace
}  // namespace lb::control
