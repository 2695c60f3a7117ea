// Round robin over endpoints: shares by weight, and retries that go to somebody else.
#include "lb/balance/round_robin.h"

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "test/support/catch.h"
#include "test/support/socket.h"

namespace lb::balance {
namespace {

// One endpoint for each weight, on ports 1, 2, ...
std::vector<WeightedEndpoint> endpoints(const std::vector<uint32_t>& weights) {
  std::vector<WeightedEndpoint> out;
  for (const uint32_t weight : weights) {
    const auto port = static_cast<uint16_t>(out.size() + 1);
    out.push_back({std::make_shared<Endpoint>(test::ip_address("10.0.0.1", port)), weight});
  }
  return out;
}

uint32_t first_pick(RoundRobin& balancer) { return balancer.pick({}); }

}  // namespace

TEST_CASE("round robin: exact by weight") {
  RoundRobin balancer(endpoints({3, 1, 6}), 2);
  std::map<uint32_t, int> counts;
  for (int i = 0; i < 1000; ++i) ++counts[first_pick(balancer)];
  CHECK(counts == std::map<uint32_t, int>{{0, 300}, {1, 100}, {2, 600}});
}

TEST_CASE("round robin: who was tried is passed over until none is left") {
  const std::vector<WeightedEndpoint> list = endpoints({1000, 1, 1});
  RoundRobin balancer(list, 0);
  for (int i = 0; i < 50; ++i) {
    std::vector<uint32_t> tried;
    for (size_t attempt = 0; attempt < list.size(); ++attempt) {
      const uint32_t next = balancer.pick({tried});
      REQUIRE(next != kNoEndpoint);
      REQUIRE(std::find(tried.begin(), tried.end(), next) == tried.end());
      tried.push_back(next);
    }
    REQUIRE(balancer.pick({tried}) == kNoEndpoint);
  }
}

TEST_CASE("round robin: the share of a dead endpoint goes to the others by weight") {
  RoundRobin balancer(endpoints({2, 1, 3}), 0);
  const uint32_t dead = 0;
  std::map<uint32_t, int> served;
  int retries = 0;
  for (int i = 0; i < 6000; ++i) {
    uint32_t endpoint = first_pick(balancer);
    if (endpoint == dead) {
      ++retries;
      endpoint = balancer.pick({{&dead, 1}});
    }
    ++served[endpoint];
  }
  // It keeps being asked as often as its weight says, and 1:3 is what is left.
  CHECK(retries == 2000);
  CHECK(served[1] == 1500);
  CHECK(served[2] == 4500);
}

TEST_CASE("round robin: no endpoints, no choice") {
  RoundRobin balancer({}, 7);
  CHECK(first_pick(balancer) == kNoEndpoint);
}

TEST_CASE("round robin: workers begin at different endpoints") {
  const std::vector<WeightedEndpoint> list = endpoints({1, 1, 1});
  RoundRobin zeroth(list, 0);
  RoundRobin first(list, 1);
  RoundRobin second(list, 2);
  CHECK(first_pick(zeroth) == 0);
  CHECK(first_pick(first) == 1);
  CHECK(first_pick(second) == 2);
}

TEST_CASE("endpoint: counts the connections of all workers") {
  Endpoint endpoint(test::ip_address("::1", 80));
  CHECK(endpoint.label() == "[::1]:80");
  CHECK(endpoint.active() == 0);
  endpoint.add_active();
  endpoint.add_active();
  endpoint.remove_active();
  CHECK(endpoint.active() == 1);
}

}  // namespace lb::balance
