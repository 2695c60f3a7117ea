#include "lb/balance/service_slots.h"

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::balance {
namespace {

using Slot = ServiceSlots::Slot;

}  // namespace

TEST_CASE("service slots: a bound holds, and what is given back can be taken again") {
  ServiceSlots slots;
  slots.set_bound(2);
  CHECK(slots.try_take(0) == Slot::kShared);
  CHECK(slots.try_take(1) == Slot::kShared);
  CHECK(slots.try_take(0) == Slot::kNone);
  CHECK(slots.taken() == 2);
  slots.give_back(Slot::kShared, 5);
  CHECK(slots.try_take(1) == Slot::kShared);
  CHECK(slots.try_take(1) == Slot::kNone);
  slots.give_back(Slot::kNone, 0);
  CHECK(slots.taken() == 2);
}

TEST_CASE("service slots: a bound that comes later knows who is there") {
  ServiceSlots slots;
  for (size_t worker = 0; worker < 40; ++worker) CHECK(slots.try_take(worker) == Slot::kOwn);
  CHECK(slots.taken() == 40);
  slots.set_bound(41);
  CHECK(slots.try_take(0) == Slot::kShared);
  CHECK(slots.try_take(0) == Slot::kNone);
  slots.give_back(Slot::kOwn, 39);
  CHECK(slots.try_take(0) == Slot::kShared);
  CHECK(slots.try_take(0) == Slot::kNone);
}

TEST_CASE("service slots: a bound that is lowered, and one that is lifted") {
  ServiceSlots slots;
  slots.set_bound(3);
  for (int i = 0; i < 3; ++i) CHECK(slots.try_take(0) == Slot::kShared);
  slots.set_bound(1);
  slots.give_back(Slot::kShared, 0);
  slots.give_back(Slot::kShared, 0);
  CHECK(slots.try_take(0) == Slot::kNone);
  slots.set_bound(0);
  CHECK(slots.try_take(0) == Slot::kOwn);
  slots.set_bound(2);
  CHECK(slots.try_take(0) == Slot::kNone);
  slots.give_back(Slot::kOwn, 0);
  slots.give_back(Slot::kShared, 0);
  CHECK(slots.taken() == 0);
}

TEST_CASE("service slots: never more than the bound, whoever comes") {
  constexpr int kThreads = 4;
  constexpr int kBound = 3;
  ServiceSlots slots;
  slots.set_bound(kBound);
  std::atomic<int> inside = 0;
  std::atomic<int> most_inside = 0;
  // Enough for two of them to meet between a look and a step, also where CPUs are few.
  const uint64_t rounds = test::scaled(500'000, 50'000);
  std::latch start(kThreads);
  std::vector<std::thread> threads;
  for (size_t worker = 0; worker < kThreads; ++worker) {
    threads.emplace_back([&, worker] {
      start.arrive_and_wait();
      for (uint64_t i = 0; i < rounds; ++i) {
        const Slot slot = slots.try_take(worker);
        if (slot == Slot::kNone) continue;
        const int now = inside.fetch_add(1) + 1;
        int most = most_inside.load();
        while (most < now && !most_inside.compare_exchange_weak(most, now)) {
        }
        if (i % 64 == 0) std::this_thread::yield();
        inside.fetch_sub(1);
        slots.give_back(slot, worker);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(most_inside <= kBound);
  CHECK(slots.taken() == 0);
}

}  // namespace lb::balance
