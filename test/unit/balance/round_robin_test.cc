// Round robin over endpoints: shares by weight, and retries that go to somebody else.
#include "lb/balance/round_robin.h"

#include <algorithm>
#include <vector>

#include "test/support/catch.h"
#include "test/unit/balance/endpoint_list.h"

namespace lb::balance {
namespace {

struct Balanced {
  std::vector<WeightedEndpoint> endpoints;
  RoundRobin balancer;
  Exclusion excluded;

  Balanced(const std::vector<uint32_t>& weights, uint64_t start)
      : endpoints(endpoints_of(weights)), balancer(start), excluded(weights.size()) {
    balancer.set_candidates(candidates_of(endpoints));
  }

  uint32_t pick(std::span<const uint32_t> tried = {}) {
    excluded.assign(tried);
    return balancer.pick(excluded, nullptr);
  }
};

}  // namespace

TEST_CASE("round robin: exact by weight") {
  Balanced balanced({3, 1, 6}, 2);
  CHECK(count_picks(balanced.balancer, 1000) == Counts{{0, 300}, {1, 100}, {2, 600}});
}

TEST_CASE("round robin: weights far apart, and one of zero") {
  Balanced balanced({1, 256, 0}, 0);
  // 11 whole periods of 257, and 173 of the next one, in which the light one comes once or not.
  const Counts counts = count_picks(balanced.balancer, 3000);
  CHECK((counts.at(0) == 11 || counts.at(0) == 12));
  CHECK(counts.at(0) + counts.at(1) == 3000);
}

TEST_CASE("round robin: who was tried is passed over until none is left") {
  Balanced balanced({1000, 1, 1}, 0);
  for (int i = 0; i < 50; ++i) {
    std::vector<uint32_t> tried;
    for (size_t attempt = 0; attempt < balanced.endpoints.size(); ++attempt) {
      const uint32_t next = balanced.pick(tried);
      REQUIRE(next != kNoEndpoint);
      REQUIRE(std::find(tried.begin(), tried.end(), next) == tried.end());
      tried.push_back(next);
    }
    REQUIRE(balanced.pick(tried) == kNoEndpoint);
  }
}

TEST_CASE("round robin: the share of a dead endpoint goes to the others by weight") {
  Balanced balanced({2, 1, 3}, 0);
  const uint32_t dead = 0;
  Counts served;
  int retries = 0;
  for (int i = 0; i < 6000; ++i) {
    uint32_t endpoint = balanced.pick();
    if (endpoint == dead) {
      ++retries;
      endpoint = balanced.pick({&dead, 1});
    }
    ++served[endpoint];
  }
  // It keeps being asked as often as its weight says, and 1:3 is what is left.
  CHECK(retries == 2000);
  CHECK(served[1] == 1500);
  CHECK(served[2] == 4500);
}

TEST_CASE("round robin: no endpoints, no choice") {
  Balanced balanced({}, 7);
  CHECK(balanced.pick() == kNoEndpoint);
}

TEST_CASE("round robin: workers begin at different endpoints") {
  for (uint64_t start = 0; start < 3; ++start) {
    Balanced balanced({1, 1, 1}, start);
    CHECK(balanced.pick() == start);
  }
}

TEST_CASE("round robin: who comes and goes leaves the others their turns") {
  Balanced balanced({1, 1, 1, 1}, 0);
  std::vector<Candidate> all = candidates_of(balanced.endpoints);
  std::vector<Candidate> without_last(all.begin(), all.end() - 1);
  Counts counts;
  // A change after each pick: nobody is first each time.
  for (int i = 0; i < 300; ++i) {
    balanced.balancer.set_candidates(i % 2 == 0 ? without_last : all);
    ++counts[balanced.pick()];
  }
  // The last one is there for half of the picks. Each of the others has at least its turn in every
  // four.
  for (uint32_t i = 0; i < 3; ++i) CHECK(counts[i] >= 300 / 4);
  CHECK(counts[3] <= 300 / 4 + 1);
}

TEST_CASE("endpoint: counts the connections of all workers") {
  Endpoint endpoint(test::ip_address("::1", 80), std::make_shared<ServiceState>("s"));
  CHECK(endpoint.label() == "[::1]:80");
  CHECK(endpoint.active() == 0);
  endpoint.add_active();
  endpoint.add_active();
  endpoint.remove_active();
  CHECK(endpoint.active() == 1);
}

}  // namespace lb::balance
