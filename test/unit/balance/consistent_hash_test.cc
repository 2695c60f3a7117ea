// By the client's address: shares, stickiness, and who moves when an endpoint goes.
#include "lb/balance/consistent_hash.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "test/support/catch.h"
#include "test/unit/balance/endpoint_list.h"

namespace lb::balance {
namespace {

constexpr uint32_t kSize = 65'537;

struct Hashed {
  std::vector<WeightedEndpoint> endpoints;
  MaglevTables tables;
  std::vector<HashTier> tiers;
  ConsistentHash balancer;
  Exclusion excluded;

  explicit Hashed(const std::vector<uint32_t>& weights)
      : endpoints(endpoints_of(weights)),
        tiers(make_hash_tiers(endpoints, kSize, 0, tables)),
        balancer(tiers.at(0), {}),
        excluded(weights.size()) {
    set_down({});
  }

  void set_down(const std::vector<uint32_t>& indices) {
    std::vector<Candidate> up = candidates_of(endpoints);
    std::erase_if(up, [&](const Candidate& candidate) {
      return std::find(indices.begin(), indices.end(), candidate.index) != indices.end();
    });
    balancer.set_candidates(up);
  }

  uint32_t pick(const net::Address& client, std::span<const uint32_t> tried = {}) {
    excluded.assign(tried);
    return balancer.pick(excluded, &client);
  }

  // The choices of clients 10.x.y.1 for x and y below 100.
  std::vector<uint32_t> picks() {
    std::vector<uint32_t> out;
    for (int i = 0; i < 10'000; ++i) {
      out.push_back(pick(test::ip_address(fmt::format("10.{}.{}.1", i / 100, i % 100), 1)));
    }
    return out;
  }
};

}  // namespace

// Clients are fixed, so these are no draws at random; but a hash that deserves the name makes them
// look like some: five standard deviations of a binomial count.
TEST_CASE("consistent hash: shares by weight, nothing for a weight of zero") {
  Hashed hashed({1, 2, 0, 5});
  const std::vector<uint32_t> picks = hashed.picks();
  for (uint32_t i = 0; i < 4; ++i) {
    const double share = hashed.endpoints[i].weight / 8.0;
    const auto count = static_cast<double>(std::count(picks.begin(), picks.end(), i));
    CHECK(std::abs(count - 10'000 * share) <= 5 * std::sqrt(10'000 * share * (1 - share)));
  }
}

TEST_CASE("consistent hash: when an endpoint goes, its clients move and no others") {
  const std::vector<uint32_t> weights = {1, 2, 1, 3, 1};
  Hashed hashed(weights);
  const std::vector<uint32_t> before = hashed.picks();
  for (uint32_t down = 0; down < weights.size(); ++down) {
    hashed.set_down({down});
    const std::vector<uint32_t> after = hashed.picks();
    Counts moved;
    for (size_t i = 0; i < before.size(); ++i) {
      if (before[i] != down) REQUIRE(after[i] == before[i]);
      if (before[i] == down) ++moved[after[i]];
    }
    // They spread over all the others.
    CHECK(moved.size() == weights.size() - 1);
    CHECK(!moved.contains(down));
  }
  hashed.set_down({});
  CHECK(hashed.picks() == before);
}

TEST_CASE("consistent hash: the same holds when hardly anybody is left") {
  const std::vector<uint32_t> weights(500, 1);
  Hashed hashed(weights);
  // One in 500 slots is left for each of two, so most clients find neither in 64 slots.
  std::vector<uint32_t> down;
  for (uint32_t i = 2; i < weights.size(); ++i) down.push_back(i);
  hashed.set_down(down);
  const std::vector<uint32_t> of_two = hashed.picks();
  const auto zeros = std::count(of_two.begin(), of_two.end(), 0U);
  CHECK(std::abs(static_cast<double>(zeros) - 5'000) <= 5 * 50);
  CHECK(std::count(of_two.begin(), of_two.end(), 1U) == 10'000 - zeros);

  down.pop_back();
  hashed.set_down(down);
  const std::vector<uint32_t> of_three = hashed.picks();
  for (size_t i = 0; i < of_two.size(); ++i) {
    if (of_three[i] != of_two[i]) REQUIRE(of_three[i] == 499);
  }
}

TEST_CASE("consistent hash: a retry goes where the client would go without the endpoint") {
  Hashed hashed({1, 1, 1, 1});
  const net::Address client = test::ip_address("10.9.8.7", 6);
  std::vector<uint32_t> tried;
  for (int i = 0; i < 4; ++i) {
    const uint32_t next = hashed.pick(client, tried);
    REQUIRE(next != kNoEndpoint);
    CHECK(std::find(tried.begin(), tried.end(), next) == tried.end());
    hashed.set_down(tried);
    CHECK(hashed.pick(client) == next);
    hashed.set_down({});
    tried.push_back(next);
  }
  CHECK(hashed.pick(client, tried) == kNoEndpoint);
}

TEST_CASE("consistent hash: the order of the endpoints says nothing") {
  Hashed hashed({1, 2, 3, 4});
  std::vector<WeightedEndpoint> reversed(hashed.endpoints.rbegin(), hashed.endpoints.rend());
  const std::vector<HashTier> tiers = make_hash_tiers(reversed, kSize, 0, hashed.tables);
  CHECK(tiers.at(0).table == hashed.tiers[0].table);
  ConsistentHash balancer(tiers[0], {});
  balancer.set_candidates(candidates_of(reversed));
  for (int i = 0; i < 200; ++i) {
    const net::Address client = test::ip_address(fmt::format("192.0.2.{}", i), 1);
    const uint32_t picked = balancer.pick(Exclusion(4), &client);
    REQUIRE(reversed[picked].endpoint == hashed.endpoints[hashed.pick(client)].endpoint);
  }
}

TEST_CASE("consistent hash: an endpoint that only an operator gives weight is the last resort") {
  Hashed hashed({1, 0});
  const std::vector<Candidate> all = {{0, 1, hashed.endpoints[0].endpoint.get()},
                                      {1, 9, hashed.endpoints[1].endpoint.get()}};
  const net::Address client = test::ip_address("10.9.8.7", 6);
  hashed.balancer.set_candidates(all);
  CHECK(hashed.pick(client) == 0);
  hashed.balancer.set_candidates(std::span(all).last(1));
  CHECK(hashed.pick(client) == 1);
  hashed.balancer.set_candidates({});
  CHECK(hashed.pick(client) == kNoEndpoint);
}

TEST_CASE("hash tiers: one for each priority, without the weights of operators") {
  auto endpoints = endpoints_of({1, 2, 0});
  endpoints[0].priority = 3;
  endpoints[2].priority = 5;
  endpoints[0].endpoint->set_weight_override(7);
  endpoints[0].is_ready = false;
  MaglevTables tables;
  const std::vector<HashTier> tiers = make_hash_tiers(endpoints, 101, 4, tables);
  REQUIRE(tiers.size() == 3);
  CHECK(tiers[0].priority == 0);
  CHECK(tiers[0].endpoints == std::vector<uint32_t>{1});
  CHECK(tiers[1].priority == 3);
  CHECK(tiers[1].endpoints == std::vector<uint32_t>{0});
  CHECK(tiers[1].table->entries() == std::vector<MaglevEntry>{{"10.0.0.1:1", 1}});
  CHECK(tiers[1].table->slots().size() == 101);
  CHECK(tiers[1].table->seed() == 4);
  CHECK(tiers[2].endpoints.empty());
}

}  // namespace lb::balance
