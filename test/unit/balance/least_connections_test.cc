// Two choices: shares without load, evenness under load, and what becomes of a slow endpoint.
#include "lb/balance/least_connections.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>
#include <vector>

#include "lb/util/random.h"
#include "test/support/catch.h"
#include "test/support/scale.h"
#include "test/unit/balance/endpoint_list.h"

namespace lb::balance {
namespace {

// Connections that end, in the order of time.
struct Ending {
  double at;
  uint32_t endpoint;

  friend bool operator>(const Ending& a, const Ending& b) { return a.at > b.at; }
};

// A closed loop: as soon as a connection ends, the next one begins, `in_flight` of them. How long
// one lasts is exponential with the mean of its endpoint.
struct ClosedLoop {
  std::vector<double> mean;  // by endpoint
  std::vector<int> served;   // connections that ended after the warm-up
  std::vector<double> busy;  // time times active, after the warm-up
  double spent = 0;

  void run(const std::vector<WeightedEndpoint>& endpoints, int in_flight, int count,
           uint64_t seed) {
    util::Random random(seed);
    LeastConnections balancer(random.next());
    balancer.set_candidates(candidates_of(endpoints));
    std::priority_queue<Ending, std::vector<Ending>, std::greater<>> endings;
    double now = 0;
    const Exclusion nobody(endpoints.size());
    const auto begin = [&] {
      const uint32_t index = balancer.pick(nobody, nullptr);
      endpoints[index].endpoint->add_active();
      const double uniform = (static_cast<double>(random.below(1 << 30)) + 1) / (1 << 30);
      endings.push({now - mean[index] * std::log(uniform), index});
    };
    served.assign(mean.size(), 0);
    busy.assign(mean.size(), 0);
    for (int i = 0; i < in_flight; ++i) begin();
    for (int i = 0; i < count; ++i) {
      const Ending ending = endings.top();
      endings.pop();
      if (i >= count / 4) {
        for (size_t e = 0; e < mean.size(); ++e) {
          busy[e] += (ending.at - now) * endpoints[e].endpoint->active();
        }
        spent += ending.at - now;
        ++served[ending.endpoint];
      }
      now = ending.at;
      endpoints[ending.endpoint].endpoint->remove_active();
      begin();
    }
  }
};

}  // namespace

TEST_CASE("least connections: without load, shares are by weight") {
  const uint64_t seed = test::test_seed();
  INFO("SLUICE_SEED=" << seed);
  const std::vector<uint32_t> weights =
      GENERATE(std::vector<uint32_t>{1, 2}, std::vector<uint32_t>{1, 0, 256},
               std::vector<uint32_t>{3, 1, 2}, std::vector<uint32_t>{1, 1, 1, 1, 1, 1, 1});
  double total = 0;
  for (const uint32_t weight : weights) total += weight;
  const auto endpoints = endpoints_of(weights);
  LeastConnections balancer(seed);
  balancer.set_candidates(candidates_of(endpoints));
  constexpr int kPicks = 30'000;
  const Counts counts = count_picks(balancer, kPicks);
  for (const auto& [index, count] : counts) {
    const double expected = kPicks * weights.at(index) / total;
    // Six standard deviations of a binomial count.
    CHECK(std::abs(count - expected) <= 6 * std::sqrt(expected * (1 - expected / kPicks)));
    CHECK(weights.at(index) > 0);
  }
}

TEST_CASE("least connections: of two, the one with fewer for its weight") {
  const auto endpoints = endpoints_of({1, 3});
  LeastConnections balancer(1);
  balancer.set_candidates(candidates_of(endpoints));
  endpoints[1].endpoint->add_active();
  CHECK(count_picks(balancer, 100) == Counts{{0, 100}});  // 0/1 and 1/3
  endpoints[0].endpoint->add_active();
  CHECK(count_picks(balancer, 100) == Counts{{1, 100}});  // 1/1 and 1/3
}

TEST_CASE("least connections: who holds connections gets no more until the others have as many") {
  const auto endpoints = endpoints_of({1, 1});
  for (int i = 0; i < 10; ++i) endpoints[0].endpoint->add_active();
  LeastConnections balancer(1);
  balancer.set_candidates(candidates_of(endpoints));
  for (int i = 0; i < 10; ++i) {
    const uint32_t next = balancer.pick(Exclusion(2), nullptr);
    REQUIRE(next == 1);
    endpoints[next].endpoint->add_active();
  }
}

TEST_CASE("least connections: who was tried is passed over until none is left") {
  const auto endpoints = endpoints_of({1000, 1, 1});
  LeastConnections balancer(1);
  balancer.set_candidates(candidates_of(endpoints));
  Exclusion excluded(3);
  for (int i = 0; i < 50; ++i) {
    std::vector<uint32_t> tried;
    for (int attempt = 0; attempt < 3; ++attempt) {
      excluded.assign(tried);
      const uint32_t next = balancer.pick(excluded, nullptr);
      REQUIRE(next != kNoEndpoint);
      REQUIRE(std::find(tried.begin(), tried.end(), next) == tried.end());
      tried.push_back(next);
    }
    excluded.assign(tried);
    REQUIRE(balancer.pick(excluded, nullptr) == kNoEndpoint);
  }
}

// Balls into bins with two choices: the fullest of n bins is above the average by about
// log2(log2(n)), whatever the number of balls (Berenbrink and others, 2000): 3.3 for 1000 bins, and
// less than 8 surely. A single choice of 100 per bin would be off by 3.7 standard deviations of 10.
TEST_CASE("least connections: held connections are even") {
  const uint64_t seed = test::test_seed();
  INFO("SLUICE_SEED=" << seed);
  const auto endpoints = endpoints_of(std::vector<uint32_t>(1000, 1));
  LeastConnections balancer(seed);
  balancer.set_candidates(candidates_of(endpoints));
  const Exclusion nobody(1000);
  for (int i = 0; i < 100'000; ++i) {
    endpoints[balancer.pick(nobody, nullptr)].endpoint->add_active();
  }
  uint32_t most = 0;
  for (const WeightedEndpoint& entry : endpoints) most = std::max(most, entry.endpoint->active());
  CHECK(most < 100 + 8);
}

// One of three is ten times as slow. Little's law: connections per second = active / duration, for
// each endpoint. The balancer keeps the active ones alike, so shares are as 1 / duration: the slow
// one serves 0.1 / (1 + 1 + 0.1) = 4.8 percent of all. Round robin would give it a third, with 83
// percent of all connections waiting there.
//
// How much alike: of three, two are compared each time, so the one with the most is never taken
// when it is drawn, and gets nothing; the counts stay within a few connections of 100 each, and 5
// are allowed in the mean. That makes the slow share 4.8 percent * (1 +- 0.1). Of n = 150000
// connections 7143 are the slow one's, and its count is as good as Poisson: six deviations are 7
// percent more.
TEST_CASE("least connections: the share of a slow endpoint is inverse to its slowness") {
  const uint64_t seed = test::test_seed();
  INFO("SLUICE_SEED=" << seed);
  const auto endpoints = endpoints_of({1, 1, 1});
  ClosedLoop loop;
  loop.mean = {1, 1, 10};
  loop.run(endpoints, 300, 200'000, seed);
  for (size_t i = 0; i < 3; ++i) {
    INFO("endpoint " << i << " has " << loop.busy[i] / loop.spent);
    CHECK(std::abs(loop.busy[i] / loop.spent - 100) <= 5);
  }
  const double share = loop.served[2] / 150'000.0;
  const double expected = 0.1 / 2.1;
  INFO("share " << share << ", expected " << expected);
  CHECK(std::abs(share - expected) <= 0.17 * expected);
}

}  // namespace lb::balance
