// The choice around the algorithms: who is left, in which priority, and when that is looked at.
#include "lb/balance/selection.h"

#include <memory>
#include <vector>

#include "lb/balance/round_robin.h"
#include "test/support/catch.h"
#include "test/unit/balance/endpoint_list.h"

namespace lb::balance {
namespace {

struct Selected {
  std::vector<WeightedEndpoint> endpoints;
  std::unique_ptr<Selection> selection;
  int derived = 0;  // how often candidates were handed to an algorithm

  Selected(std::vector<WeightedEndpoint> list, const CandidatePolicy& policy = {})
      : endpoints(std::move(list)) {
    selection = std::make_unique<Selection>(
        endpoints, policy, [this](uint32_t) { return std::make_unique<Counting>(derived); });
  }

  uint32_t pick(std::vector<uint32_t> excluded = {}, util::MonoTimeMs now_ms = 0) {
    return selection->pick({excluded, now_ms});
  }

  Counts counts(int picks, util::MonoTimeMs now_ms = 0) {
    Counts counts;
    for (int i = 0; i < picks; ++i) ++counts[pick({}, now_ms)];
    return counts;
  }

  void change(uint32_t index, bool is_healthy) {
    endpoints[index].endpoint->set_healthy(is_healthy);
    endpoints[index].endpoint->service().advance_epoch();
  }

  // Round robin that says how often it is told of candidates.
  struct Counting final : LoadBalancer {
    explicit Counting(int& derived_out) : derived(derived_out) {}
    void set_candidates(std::span<const Candidate> candidates) override {
      ++derived;
      order.set_candidates(candidates);
    }
    uint32_t pick(const Exclusion& excluded, const net::Address* client) override {
      return order.pick(excluded, client);
    }
    int& derived;
    RoundRobin order{0};
  };
};

}  // namespace

TEST_CASE("selection: follows what becomes known, when it becomes known") {
  Selected selected(endpoints_of({1, 1}));
  CHECK(selected.counts(10) == Counts{{0, 5}, {1, 5}});
  CHECK(selected.derived == 1);
  selected.change(0, false);
  CHECK(selected.counts(10) == Counts{{1, 10}});
  CHECK(selected.derived == 2);
  selected.change(1, false);
  CHECK(selected.pick() == kNoEndpoint);
  selected.change(0, true);
  CHECK(selected.counts(10) == Counts{{0, 10}});
}

TEST_CASE("selection: priorities overflow when all are down, tried or full") {
  auto list = endpoints_of({1, 1, 1});
  list[2].priority = 4;
  Selected selected(std::move(list));
  CHECK(selected.counts(10) == Counts{{0, 5}, {1, 5}});
  CHECK(selected.pick({0}) == 1);
  CHECK(selected.pick({0, 1}) == 2);
  CHECK(selected.pick({0, 1, 2}) == kNoEndpoint);
  // The exclusions of one choice say nothing about the next.
  CHECK(selected.counts(10) == Counts{{0, 5}, {1, 5}});
  selected.change(0, false);
  CHECK(selected.pick({1}) == 2);
  selected.change(1, false);
  CHECK(selected.counts(10) == Counts{{2, 10}});
  selected.change(1, true);
  CHECK(selected.counts(10) == Counts{{1, 10}});
}

TEST_CASE("selection: no endpoints, no choice") {
  CHECK(Selected({}).pick() == kNoEndpoint);
  CHECK(Selected(endpoints_of({0, 0})).pick() == kNoEndpoint);
}

TEST_CASE("selection: slow start is looked at again a few times a second, and then no more") {
  auto list = endpoints_of({1, 1});
  list[1].endpoint->set_up_since_ms(1'000);
  Selected selected(std::move(list), {0, 10'000});
  // A tenth: 100 of 1100.
  const Counts first = selected.counts(1'100, 1'000);
  CHECK(first == Counts{{0, 1'000}, {1, 100}});
  CHECK(selected.derived == 1);
  selected.counts(100, 1'149);
  CHECK(selected.derived == 1);
  selected.counts(100, 1'150);
  CHECK(selected.derived == 2);
  // 0.1 + 0.9 / 2 of it.
  const Counts half = selected.counts(1'550, 6'000);
  CHECK(std::abs(half.at(1) - 550) <= 2);
  selected.counts(1, 11'000);
  const int derived = selected.derived;
  const Counts full = selected.counts(1'000, 90'000);
  CHECK(std::abs(full.at(1) - 500) <= 2);
  CHECK(selected.derived == derived);
}

}  // namespace lb::balance
