// The weighted order of many: exact over every period, even inside it, and it goes on when weights
// change.
#include "lb/balance/class_order.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "lb/util/random.h"
#include "test/support/catch.h"
#include "test/support/scale.h"
#include "test/unit/balance/endpoint_list.h"

namespace lb::balance {
namespace {

std::vector<Candidate> weighing(const std::vector<uint32_t>& weights) {
  std::vector<Candidate> out;
  for (uint32_t i = 0; i < weights.size(); ++i) out.push_back({i, weights[i], nullptr});
  return out;
}

std::vector<uint32_t> picks(ClassOrder& order, size_t count) {
  std::vector<uint32_t> out;
  for (size_t i = 0; i < count; ++i) out.push_back(order.pick());
  return out;
}

std::vector<uint32_t> counts(ClassOrder& order, size_t indices, uint64_t picks) {
  std::vector<uint32_t> out(indices);
  for (uint64_t i = 0; i < picks; ++i) ++out.at(order.pick());
  return out;
}

uint64_t sum(const std::vector<uint32_t>& weights) {
  return std::accumulate(weights.begin(), weights.end(), uint64_t{0});
}

// Small weights, so that many are the same, or large ones, which hardly are.
std::vector<uint32_t> random_weights(util::Random& random) {
  std::vector<uint32_t> weights(1 + random.below(20));
  const uint64_t bound = random.one_in(2) ? 4 : 1000;
  for (uint32_t& weight : weights) weight = static_cast<uint32_t>(1 + random.below(bound));
  return weights;
}

}  // namespace

TEST_CASE("class order: in another list endpoints are known by what they are") {
  const auto endpoints = endpoints_of({1, 1, 1, 1, 1});
  const auto listed = [&](const std::vector<size_t>& which) {
    std::vector<Candidate> out;
    for (uint32_t i = 0; i < which.size(); ++i) {
      out.push_back({i, 1, endpoints[which[i]].endpoint.get()});
    }
    return out;
  };
  ClassOrder order(0);
  order.assign(listed({0, 1, 2, 3}));
  CHECK(picks(order, 2) == std::vector<uint32_t>{0, 1});
  order.assign(listed({4, 0, 1, 2, 3}));
  CHECK(picks(order, 2) == std::vector<uint32_t>{3, 4});  // the ones after 1, which are 2 and 3
  // Of 2 and 3, who had their turns last, nobody is left: it is the turn of who came after them.
  order.assign(listed({4, 0, 1}));
  CHECK(picks(order, 1) == std::vector<uint32_t>{0});
}

TEST_CASE("class order: one heavy among light ones is spread among them") {
  ClassOrder order(0);
  order.assign(weighing({5, 1, 1}));
  const std::vector<uint32_t> period = {0, 1, 0, 0, 0, 2, 0};
  CHECK(picks(order, 7) == period);
  CHECK(picks(order, 7) == period);
}

TEST_CASE("class order: every run of a period is exact, wherever it begins") {
  const uint64_t seed = test::test_seed();
  util::Random random(seed);
  for (uint64_t round = test::scaled(300, 30); round > 0; --round) {
    const std::vector<uint32_t> weights = random_weights(random);
    INFO("SLUICE_SEED=" << seed << ", weights " << Catch::Detail::stringify(weights));
    ClassOrder order(random.one_in(2) ? 0 : random.next());
    order.assign(weighing(weights));
    counts(order, weights.size(), random.below(100));
    REQUIRE(counts(order, weights.size(), sum(weights)) == weights);
  }
}

// Within a class of n members of weight w each, turns go round. The class is ahead of its share by
// less than a pick, so a member is by less than 1/n of that plus (n - 1)/n: less than one. It is
// behind by at most the harmonic number of the classes, so a member is by that, at most
// (harmonic + n - 1) / n.
TEST_CASE("class order: shares are even inside a period") {
  const uint64_t seed = test::test_seed();
  util::Random random(seed);
  for (uint64_t round = test::scaled(200, 20); round > 0; --round) {
    const std::vector<uint32_t> weights = random_weights(random);
    INFO("SLUICE_SEED=" << seed << ", weights " << Catch::Detail::stringify(weights));
    double harmonic = 0;
    for (size_t i = 1; i <= weights.size(); ++i) harmonic += 1.0 / static_cast<double>(i);
    const auto total = static_cast<double>(sum(weights));
    ClassOrder order(0);
    order.assign(weighing(weights));
    std::vector<double> credits(weights.size());
    double lowest = 0;
    double highest = 0;
    for (uint64_t t = 0; t < sum(weights); ++t) {
      credits.at(order.pick()) -= total;
      for (size_t i = 0; i < weights.size(); ++i) {
        credits[i] += weights[i];
        lowest = std::min(lowest, credits[i]);
        highest = std::max(highest, credits[i]);
      }
    }
    REQUIRE(lowest > -total);
    REQUIRE(highest <= harmonic * total);
  }
}

TEST_CASE("class order: orders with different starts begin at different places") {
  std::vector<uint32_t> firsts;
  for (uint64_t start = 0; start < 8; ++start) {
    ClassOrder order(start);
    order.assign(weighing({1, 1, 1, 1}));
    firsts.push_back(order.pick());
  }
  CHECK(firsts == std::vector<uint32_t>{0, 1, 2, 3, 0, 1, 2, 3});
}

TEST_CASE("class order: when weights change, who was next is next and debts are kept") {
  ClassOrder order(0);
  order.assign(weighing({1, 1, 1}));
  CHECK(picks(order, 2) == std::vector<uint32_t>{0, 1});
  // The same shares in other units.
  order.assign(weighing({10, 10, 10}));
  CHECK(picks(order, 3) == std::vector<uint32_t>{2, 0, 1});

  // A light one whose weight changes all the time gets its share nonetheless: weights of 9:1 and
  // one change a pick. What is rounded at a change is less than a unit of credit, one in 10^4 of a
  // pick, so that 1000 of them cost a tenth of a pick.
  ClassOrder changing(0);
  std::vector<uint32_t> counts(2);
  for (uint32_t i = 0; i < 1000; ++i) {
    const uint32_t scale = 1000 + i % 7;
    changing.assign(weighing({9 * scale, scale}));
    ++counts.at(changing.pick());
  }
  CHECK(counts[1] >= 99);
  CHECK(counts[1] <= 101);
}

TEST_CASE("class order: what those owe who have gone is nobody's") {
  ClassOrder order(0);
  order.assign(weighing({1000, 1}));
  picks(order, 600);
  order.assign(weighing({1, 1, 1, 1}));
  const std::vector<uint32_t> first = counts(order, 4, 400);
  const auto [least, most] = std::minmax_element(first.begin(), first.end());
  CHECK(*most - *least <= 2);
}

TEST_CASE("class order: the greatest weights") {
  ClassOrder order(UINT64_MAX);
  order.assign(weighing(std::vector<uint32_t>(512, UINT32_MAX)));
  CHECK(counts(order, 512, 512 * 4) == std::vector<uint32_t>(512, 4));
}

}  // namespace lb::balance
