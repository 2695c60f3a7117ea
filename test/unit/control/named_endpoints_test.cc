// What names come to in a configuration.
#include "lb/control/dns/named_endpoints.h"

#include <map>

#include "test/support/catch.h"

namespace lb::control {
namespace {

using Known = std::map<std::string, std::vector<NamedTarget>>;

config::Endpoint by_address(const std::string& address, uint16_t port = 0) {
  config::Endpoint endpoint;
  endpoint.address = address;
  endpoint.port = port;
  return endpoint;
}

config::Endpoint by_name(const std::string& name, uint32_t weight = 1, uint32_t priority = 0) {
  config::Endpoint endpoint;
  endpoint.hostname = name;
  endpoint.weight = weight;
  endpoint.priority = priority;
  return endpoint;
}

config::Config config_of(std::vector<config::Endpoint> endpoints) {
  config::Service service;
  service.name.name = "web";
  service.ports.emplace_back();
  service.ports[0].port = 80;
  service.ports[0].target_port = 8080;
  service.endpoints = std::move(endpoints);
  config::Config config;
  config.services.push_back(std::move(service));
  return config;
}

// "ADDRESS:PORT*WEIGHT^PRIORITY", and "NAME?" where nothing is known.
std::vector<std::string> resolved(config::Config& config, const Known& known) {
  resolve_names(config, [&](const config::Endpoint& named) {
    const auto found = known.find(named.hostname);
    return found == known.end() ? std::vector<NamedTarget>() : found->second;
  });
  std::vector<std::string> out;
  for (const config::Endpoint& endpoint : config.services[0].endpoints) {
    if (endpoint.address.empty() && endpoint.path.empty()) {
      CHECK_FALSE(endpoint.usable());
      out.push_back(endpoint.hostname + "?");
      continue;
    }
    out.push_back(endpoint.address + endpoint.path + ":" + std::to_string(endpoint.port) + "*" +
                  std::to_string(endpoint.weight) + "^" + std::to_string(endpoint.priority));
  }
  return out;
}

using Texts = std::vector<std::string>;

TEST_CASE("a name stands for its addresses, and again for others") {
  config::Config config =
      config_of({by_address("10.0.0.1"), by_name("a.test", 3), by_name("b.test")});
  CHECK(resolved(config, {{"a.test", {{"10.0.0.2"}, {"::1"}}}}) ==
        Texts{"10.0.0.1:0*1^0", "10.0.0.2:0*3^0", "::1:0*3^0", "b.test?"});
  CHECK(config.services[0].endpoints[1].hostname == "a.test");
  CHECK(resolved(config, {{"b.test", {{"10.0.0.3"}}}}) ==
        Texts{"10.0.0.1:0*1^0", "a.test?", "10.0.0.3:0*1^0"});
  CHECK(resolved(config, {}) == Texts{"10.0.0.1:0*1^0", "a.test?", "b.test?"});
  CHECK(names_of(config.services[0]).size() == 2);
}

TEST_CASE("SRV records bring ports, weights and priorities, within ours") {
  config::Config config = config_of({by_name("a.test", 2, 1), by_name("b.test", 1'000'000)});
  CHECK(resolved(config, {{"a.test", {{"10.0.0.2", 5432, 10, 0}, {"10.0.0.2", 5433, 20, 3}}},
                          {"b.test", {{"10.0.0.3", 1, 65'535, 0}}}}) ==
        Texts{"10.0.0.2:5432*20^1", "10.0.0.2:5433*40^4", "10.0.0.3:1*1000000^0"});
  // A port in the file is there for a reason.
  config = config_of({by_name("a.test")});
  config.services[0].endpoints[0].port = 99;
  CHECK(resolved(config, {{"a.test", {{"10.0.0.2", 5432, 1, 0}}}}) == Texts{"10.0.0.2:99*1^0"});
}

TEST_CASE("what a service has already it does not get twice") {
  config::Config config = config_of(
      {by_name("a.test"), by_name("b.test"), by_address("10.0.0.1"), by_address("0:0::1", 8080)});
  config.services[0].endpoints.push_back(by_address("10.0.0.9"));
  config.services[0].endpoints_file.count = 1;
  CHECK(resolved(config, {{"a.test", {{"10.0.0.1"}, {"10.0.0.2"}, {"::1"}, {"10.0.0.9"}}},
                          {"b.test", {{"10.0.0.2"}, {"10.0.0.3", 8080, 1, 0}}}}) ==
        Texts{"10.0.0.2:0*1^0", "10.0.0.3:8080*1^0", "10.0.0.1:0*1^0", "0:0::1:8080*1^0",
              "10.0.0.9:0*1^0"});
  // The endpoints of the file are the last ones, as before.
  CHECK(config.services[0].written.size() == 4);
  // The file changes, which replaces the last ones.
  config.services[0].endpoints.back() = by_address("10.0.0.2");
  CHECK(resolved(config, {{"a.test", {{"10.0.0.9"}, {"10.0.0.2"}}}}) ==
        Texts{"10.0.0.9:0*1^0", "b.test?", "10.0.0.1:0*1^0", "0:0::1:8080*1^0", "10.0.0.2:0*1^0"});
}

TEST_CASE("a service without names is left as it is") {
  config::Config config = config_of({by_address("10.0.0.1")});
  CHECK(resolved(config, {}) == Texts{"10.0.0.1:0*1^0"});
  CHECK(config.services[0].written.empty());
}

}  // namespace
}  // namespace lb::control
