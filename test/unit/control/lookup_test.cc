// Where a client goes, as the process that would send it there sees it.
#include "lb/control/admin/lookup.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "fmt/format.h"
#include "lb/balance/endpoint_registry.h"
#include "lb/control/client/client_text.h"
#include "test/support/catch.h"
#include "test/support/socket.h"

namespace lb::control {
namespace {

// Service "s" with one list of two endpoints, 10.0.0.1 and 10.0.0.2.
proxy::Snapshot snapshot_of(balance::EndpointRegistry& registry, const std::string& name) {
  proxy::ServiceSnapshot service;
  service.name = name;
  service.policy.load_balancer = config::LoadBalancerType::kConsistentHash;
  for (const char* ip : {"10.0.0.1", "10.0.0.2"}) {
    service.endpoints.push_back({registry.find_or_make(name, test::ip_address(ip, 80))});
  }
  service.hash_tiers =
      balance::make_hash_tiers(service.endpoints, 101, 0, registry.maglev_tables());
  proxy::Snapshot snapshot;
  snapshot.services.push_back(std::move(service));
  return snapshot;
}

LookupAnswer found(const proxy::Snapshot& snapshot, const std::string& service,
                   const std::string& address) {
  const auto results = lookup(snapshot, service, address, 0);
  REQUIRE(results.ok());
  REQUIRE(results->size() == 1);
  return results->front();
}

}  // namespace

TEST_CASE("lookup: the home, and who stands in for it") {
  balance::EndpointRegistry registry;
  const proxy::Snapshot snapshot = snapshot_of(registry, "s");
  std::set<std::string> homes;
  for (int i = 0; i < 50; ++i) {
    const LookupAnswer result = found(snapshot, "s", fmt::format("192.0.2.{}", i));
    CHECK(result.endpoint == result.home);
    homes.insert(result.home);
  }
  CHECK(homes == std::set<std::string>{"10.0.0.1:80", "10.0.0.2:80"});

  const LookupAnswer before = found(snapshot, "default/s", "192.0.2.1");
  for (const balance::WeightedEndpoint& entry : snapshot.services[0].endpoints) {
    if (entry.endpoint->label() == before.home) entry.endpoint->set_healthy(false);
  }
  const LookupAnswer after = found(snapshot, "s", "192.0.2.1");
  CHECK(after.home == before.home);
  CHECK(after.endpoint != before.home);
  CHECK(homes.contains(after.endpoint));
  for (const balance::WeightedEndpoint& entry : snapshot.services[0].endpoints) {
    entry.endpoint->set_healthy(false);
  }
  CHECK(found(snapshot, "s", "192.0.2.1").endpoint.empty());
}

TEST_CASE("lookup: questions without an answer") {
  balance::EndpointRegistry registry;
  proxy::Snapshot snapshot = snapshot_of(registry, "east/s");
  CHECK(lookup(snapshot, "east/s", "::1", 0).ok());
  CHECK(absl::IsNotFound(lookup(snapshot, "s", "::1", 0).status()));
  CHECK(absl::IsInvalidArgument(lookup(snapshot, "east/s", "", 0).status()));
  CHECK(absl::IsInvalidArgument(lookup(snapshot, "east/s", "10.0.0.1:80", 0).status()));
  snapshot.services[0].policy.load_balancer = config::LoadBalancerType::kRandom;
  CHECK(absl::IsInvalidArgument(lookup(snapshot, "east/s", "::1", 0).status()));
}

TEST_CASE("lookup: the lists of two ports that say the same are one") {
  balance::EndpointRegistry registry;
  proxy::Snapshot snapshot = snapshot_of(registry, "s");
  snapshot.services.push_back(snapshot.services[0]);
  CHECK(lookup(snapshot, "s", "::1", 0)->size() == 1);
  snapshot.services[1].endpoints.pop_back();
  snapshot.services[1].endpoints[0].endpoint =
      registry.find_or_make("s", test::ip_address("10.0.0.3", 81));
  snapshot.services[1].hash_tiers =
      balance::make_hash_tiers(snapshot.services[1].endpoints, 101, 0, registry.maglev_tables());
  CHECK(lookup(snapshot, "s", "::1", 0)->size() == 2);
}

TEST_CASE("lookup reads as a line for each list") {
  const nlohmann::json answer = nlohmann::json::parse(R"json({"endpoints": [
    {"endpoint": "10.0.0.1:80", "home": "10.0.0.1:80"},
    {"endpoint": "10.0.0.1:80", "home": "10.0.0.2:80"},
    {"endpoint": "10.0.0.1:80", "home": ""},
    {"endpoint": null, "home": "10.0.0.2:80"}]})json");
  CHECK(lookup_text(answer) ==
        "10.0.0.1:80\n10.0.0.1:80, since 10.0.0.2:80 takes no new connections\n10.0.0.1:80\n"
        "none is left\n");
}

}  // namespace lb::control
