// At random, but in proportion.
#include "lb/balance/random_choice.h"

#include <cmath>
#include <vector>

#include "test/support/catch.h"
#include "test/support/scale.h"
#include "test/unit/balance/endpoint_list.h"

namespace lb::balance {
namespace {

// A count of `picks` choices with probability p each has the standard deviation
// sqrt(picks * p * (1 - p)). Beyond six of them lie two of 10^9 counts.
bool is_likely(int count, int picks, double probability) {
  const double expected = picks * probability;
  return std::abs(count - expected) <= 6 * std::sqrt(expected * (1 - probability));
}

}  // namespace

TEST_CASE("random: shares by weight, nothing for a weight of zero") {
  const uint64_t seed = test::test_seed();
  INFO("SLUICE_SEED=" << seed);
  RandomChoice balancer(seed);
  const auto endpoints = endpoints_of({1, 0, 2, 256, 1});
  balancer.set_candidates(candidates_of(endpoints));
  constexpr int kPicks = 100'000;
  const Counts counts = count_picks(balancer, kPicks);
  CHECK(counts.size() == 4);
  for (const auto& [index, count] : counts) {
    INFO("endpoint " << index << " has " << count);
    CHECK(is_likely(count, kPicks, endpoints.at(index).weight / 260.0));
  }
}

TEST_CASE("random: who is excluded leaves the others their proportions, however many are") {
  const uint64_t seed = test::test_seed();
  INFO("SLUICE_SEED=" << seed);
  RandomChoice balancer(seed);
  const auto endpoints = endpoints_of({97, 1, 2, 1000});
  balancer.set_candidates(candidates_of(endpoints));
  Exclusion excluded(4);
  constexpr int kPicks = 30'000;
  // One in a hundred draws would hit the two that are left.
  excluded.assign(std::vector<uint32_t>{0, 3});
  const Counts counts = count_picks(balancer, kPicks, excluded);
  CHECK(counts.size() == 2);
  CHECK(is_likely(counts.at(1), kPicks, 1.0 / 3));
  excluded.assign(std::vector<uint32_t>{3});
  CHECK(is_likely(count_picks(balancer, kPicks, excluded).at(0), kPicks, 0.97));
  excluded.assign(std::vector<uint32_t>{0, 1, 2, 3});
  CHECK(balancer.pick(excluded, nullptr) == kNoEndpoint);
}

TEST_CASE("random: nobody to choose") {
  RandomChoice balancer(1);
  balancer.set_candidates({});
  CHECK(balancer.pick(Exclusion(0), nullptr) == kNoEndpoint);
}

TEST_CASE("random: the same seed makes the same choices, another one does not") {
  const auto endpoints = endpoints_of({1, 1, 1, 1, 1, 1, 1, 1});
  const auto picks = [&](uint64_t seed) {
    RandomChoice balancer(seed);
    balancer.set_candidates(candidates_of(endpoints));
    std::vector<uint32_t> out;
    for (int i = 0; i < 50; ++i) out.push_back(balancer.pick(Exclusion(8), nullptr));
    return out;
  };
  CHECK(picks(1) == picks(1));
  CHECK(picks(1) != picks(2));
}

}  // namespace lb::balance
