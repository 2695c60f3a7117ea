// The weighted order: exact over every period, even inside it, and nothing for a weight of zero.
#include "lb/balance/smooth_weighted.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "lb/util/random.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::balance {
namespace {

bool anyone(size_t /*index*/) { return true; }

std::vector<size_t> picks(SmoothWeighted& order, size_t count) {
  std::vector<size_t> out;
  for (size_t i = 0; i < count; ++i) out.push_back(order.pick(anyone));
  return out;
}

std::vector<uint64_t> counts(SmoothWeighted& order, size_t indices, uint64_t picks) {
  std::vector<uint64_t> out(indices);
  for (uint64_t i = 0; i < picks; ++i) ++out.at(order.pick(anyone));
  return out;
}

uint64_t sum(const std::vector<uint32_t>& weights) {
  return std::accumulate(weights.begin(), weights.end(), uint64_t{0});
}

// Between one and twelve weights, some of them zero and at least one above; small and large ones.
std::vector<uint32_t> random_weights(util::Random& random) {
  std::vector<uint32_t> weights(1 + random.below(12));
  const uint64_t bound = random.one_in(2) ? 5 : 2000;
  for (uint32_t& weight : weights) {
    weight = random.one_in(5) ? 0 : static_cast<uint32_t>(random.below(bound));
  }
  if (sum(weights) == 0) weights[random.below(weights.size())] = 1;
  return weights;
}

}  // namespace

TEST_CASE("smooth weighted: the well-known example") {
  SmoothWeighted order({5, 1, 1}, 0);
  const std::vector<size_t> period = {0, 0, 1, 0, 2, 0, 0};
  CHECK(picks(order, 7) == period);
  CHECK(picks(order, 7) == period);
}

TEST_CASE("smooth weighted: equal weights take turns") {
  SmoothWeighted order({7, 7, 7}, 0);
  CHECK(picks(order, 7) == std::vector<size_t>{0, 1, 2, 0, 1, 2, 0});
}

TEST_CASE("smooth weighted: every run of a period is exact, wherever it begins") {
  const uint64_t seed = test::test_seed();
  util::Random random(seed);
  for (uint64_t round = test::scaled(300, 30); round > 0; --round) {
    const std::vector<uint32_t> weights = random_weights(random);
    INFO("SLUICE_SEED=" << seed << ", weights " << Catch::Detail::stringify(weights));
    SmoothWeighted order(weights, random.one_in(2) ? 0 : random.next());
    counts(order, weights.size(), random.below(100));
    const std::vector<uint64_t> expected(weights.begin(), weights.end());
    REQUIRE(counts(order, weights.size(), sum(weights)) == expected);
  }
}

// The credit of an index is t * weight - total * (picks so far). Nobody is picked on a credit of
// zero or less, so nobody gets ahead by a whole pick; and who has the most is picked, so nobody
// falls behind by more than the harmonic number of the list (the backlog of a cup game).
TEST_CASE("smooth weighted: shares are even inside a period") {
  const uint64_t seed = test::test_seed();
  util::Random random(seed);
  for (uint64_t round = test::scaled(300, 30); round > 0; --round) {
    const std::vector<uint32_t> weights = random_weights(random);
    INFO("SLUICE_SEED=" << seed << ", weights " << Catch::Detail::stringify(weights));
    double harmonic = 0;
    for (size_t i = 1; i <= weights.size(); ++i) harmonic += 1.0 / static_cast<double>(i);
    const auto total = static_cast<double>(sum(weights));
    SmoothWeighted order(weights, 0);
    std::vector<double> credits(weights.size());
    double lowest = 0;
    double highest = 0;
    for (uint64_t t = 0; t < sum(weights); ++t) {
      credits.at(order.pick(anyone)) -= total;
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

TEST_CASE("smooth weighted: a weight of zero is never picked") {
  SmoothWeighted order({0, 3, 0, 1, 0}, 3);
  CHECK(counts(order, 5, 400) == std::vector<uint64_t>{0, 300, 0, 100, 0});
}

TEST_CASE("smooth weighted: nobody to pick") {
  SmoothWeighted empty({}, 5);
  CHECK(empty.pick(anyone) == SmoothWeighted::kNone);
  SmoothWeighted zeros({0, 0}, 5);
  CHECK(zeros.pick(anyone) == SmoothWeighted::kNone);

  SmoothWeighted order({5, 1, 1}, 0);
  SmoothWeighted undisturbed({5, 1, 1}, 0);
  for (int i = 0; i < 20; ++i) {
    REQUIRE(order.pick([](size_t) { return false; }) == SmoothWeighted::kNone);
    REQUIRE(order.pick(anyone) == undisturbed.pick(anyone));
  }
}

TEST_CASE("smooth weighted: only who is eligible is picked, by weight among those") {
  SmoothWeighted order({4, 2, 1}, 0);
  std::vector<int> seen(3);
  for (int i = 0; i < 300; ++i) ++seen.at(order.pick([](size_t index) { return index != 0; }));
  CHECK(seen == std::vector<int>{0, 200, 100});
}

TEST_CASE("smooth weighted: different starts begin at different places of one sequence") {
  const std::vector<uint32_t> weights = {1, 1, 1, 1};
  for (size_t start = 0; start < 8; ++start) {
    SmoothWeighted order(weights, start);
    CHECK(order.pick(anyone) == start % 4);
  }
  SmoothWeighted whole({5, 3, 1}, 0);
  const std::vector<size_t> sequence = picks(whole, 18);
  for (size_t start = 0; start < 9; ++start) {
    SmoothWeighted order({5, 3, 1}, start);
    const auto begin = sequence.begin() + static_cast<ptrdiff_t>(start);
    CHECK(picks(order, 9) == std::vector<size_t>(begin, begin + 9));
  }
}

TEST_CASE("smooth weighted: the greatest weights and starts") {
  SmoothWeighted order(std::vector<uint32_t>(512, UINT32_MAX), UINT64_MAX);
  CHECK(counts(order, 512, 512 * 4) == std::vector<uint64_t>(512, 4));
}

TEST_CASE("smooth weighted: starts lead everywhere in a period") {
  // One start after the other finds each weight's turn as often as it has one.
  const std::vector<uint32_t> weights =
      GENERATE(std::vector<uint32_t>{99, 1}, std::vector<uint32_t>{300, 200, 1, 0, 77});
  std::vector<uint64_t> first(weights.size());
  for (uint64_t start = 0; start < sum(weights); ++start) {
    ++first.at(SmoothWeighted(weights, start).pick(anyone));
  }
  CHECK(first == std::vector<uint64_t>(weights.begin(), weights.end()));
}

TEST_CASE("smooth weighted: a period that is too long to be walked is begun anywhere too") {
  // In the second half of it the light one has had its turn, and has it again in the next first.
  const std::vector<uint32_t> weights = {99'999'999, 1};
  SmoothWeighted early(weights, 100);
  SmoothWeighted late(weights, 99'999'900);
  SmoothWeighted middle(weights, 49'999'990);
  CHECK(counts(early, 2, 1'000)[1] == 0);
  CHECK(counts(late, 2, 1'000)[1] == 0);
  CHECK(counts(middle, 2, 1'000)[1] == 1);
}

}  // namespace lb::balance
