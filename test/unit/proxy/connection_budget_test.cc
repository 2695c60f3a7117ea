// The bound on connections: exact, whoever asks at the same time.
#include "lb/proxy/connection_budget.h"

#include <algorithm>
#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::proxy {
namespace {

constexpr int kThreads = 8;

// Runs `work` in all threads at once.
template <typename Work>
void hammer(const Work& work) {
  std::latch begin(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      begin.arrive_and_wait();
      work();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("connection budget: the bound is refused above, and room comes back") {
  const WorkerLoads loads(1);
  ConnectionBudget budget(2, 100, loads);
  CHECK(budget.try_take());
  CHECK(budget.try_take());
  CHECK(!budget.try_take());
  CHECK(budget.taken() == 2);
  budget.give_back();
  CHECK(budget.try_take());
  CHECK(!budget.try_take());
  CHECK(budget.taken() == 2);
}

TEST_CASE("connection budget: without an operator's bound nobody is refused") {
  WorkerLoads loads(2);
  ConnectionBudget budget(0, 3, loads);
  CHECK(budget.room() == 3);
  for (int i = 0; i < 5; ++i) CHECK(budget.try_take());
  loads.set_active(0, 2);
  loads.set_active(1, 3);
  CHECK(budget.used() == 5);
  // Those that were under way when the room ran out.
  CHECK(budget.room() == -2);
  for (int i = 0; i < 5; ++i) budget.give_back();
  loads.set_active(0, 0);
  loads.set_active(1, 0);
  CHECK(budget.room() == 3);
}

TEST_CASE("connection budget: who waits for a descriptor goes before new connections") {
  const WorkerLoads loads(1);
  ConnectionBudget budget(0, 100'000, loads);
  AcceptRoom room(budget);
  CHECK(room.look(0) == 100'000);
  CHECK(budget.try_wait());
  CHECK(budget.room() == 0);
  CHECK(room.look(0) == 0);
  budget.end_wait();
  CHECK(room.look(0) == 100'000);
}

TEST_CASE("accept room: with plenty it looks now and then, with little each time") {
  WorkerLoads loads(2);
  ConnectionBudget budget(0, AcceptRoom::kPlenty + 80, loads);
  AcceptRoom room(budget);
  CHECK(room.look(0) == AcceptRoom::kPlenty + 80);
  loads.set_active(1, 10);
  // A quarter of what is beyond plenty, and half of that since there are two workers.
  for (int i = 0; i < 10; ++i) CHECK(room.look(0) == AcceptRoom::kPlenty + 80);
  CHECK(room.look(0) == AcceptRoom::kPlenty + 70);
  loads.set_active(1, 20);
  CHECK(room.look(AcceptRoom::kFreshMs - 1) == AcceptRoom::kPlenty + 70);
  CHECK(room.look(AcceptRoom::kFreshMs) == AcceptRoom::kPlenty + 60);
  loads.set_active(1, 80);
  CHECK(room.look(2 * AcceptRoom::kFreshMs) == AcceptRoom::kPlenty);
  for (int i = 81; i < 100; ++i) {
    loads.set_active(1, static_cast<size_t>(i));
    REQUIRE(room.look(2 * AcceptRoom::kFreshMs) == AcceptRoom::kPlenty + 80 - i);
  }
}

TEST_CASE("connection budget: exactly as many as the bound get in") {
  // Long enough for the threads to meet.
  const auto tries = static_cast<int>(test::scaled(100'000, 10'000));
  const int bound = tries * kThreads / 2;
  const WorkerLoads loads(1);
  for (int round = 0; round < 5; ++round) {
    ConnectionBudget budget(bound, 2 * bound, loads);
    std::atomic<int> taken = 0;
    hammer([&] {
      int own = 0;
      for (int i = 0; i < tries; ++i) own += budget.try_take() ? 1 : 0;
      taken += own;
    });
    REQUIRE(taken == bound);
    REQUIRE(budget.taken() == bound);
  }
}

TEST_CASE("connection budget: never more than the bound at a time, under churn") {
  constexpr int kBound = 1;
  const WorkerLoads loads(1);
  ConnectionBudget budget(kBound, 10000, loads);
  std::atomic<int> holding = 0;
  std::atomic<int> most = 0;
  std::atomic<bool> overshot = false;
  const uint64_t turns = test::scaled(3'000'000, 50'000);
  hammer([&] {
    for (uint64_t i = 0; i < turns; ++i) {
      const bool is_in = budget.try_take();
      // Who is refused must not take a place for a moment: another would be refused for it.
      if (budget.taken() > kBound) overshot = true;
      if (!is_in) continue;
      const int now = ++holding;
      int before = most.load();
      while (before < now && !most.compare_exchange_weak(before, now)) {
      }
      --holding;
      budget.give_back();
    }
  });
  CHECK(most <= kBound);
  CHECK(!overshot);
  CHECK(budget.taken() == 0);
}

}  // namespace lb::proxy
