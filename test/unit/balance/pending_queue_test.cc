#include "lb/balance/pending_queue.h"

#include <atomic>
#include <deque>
#include <latch>
#include <memory>
#include <semaphore>
#include <thread>
#include <utility>
#include <vector>

#include "lb/balance/load_balancer.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::balance {
namespace {

using Entry = PendingQueue::Entry;
using Slot = ServiceSlots::Slot;

// A service with so many endpoints, each with the same bound.
struct Service {
  Service(size_t count, uint32_t bound) {
    for (size_t i = 0; i < count; ++i) {
      endpoints.push_back({.endpoint = std::make_shared<Endpoint>(net::Address(), state),
                           .max_connections = bound});
      endpoints.back().endpoint->set_max_connections(bound);
    }
  }

  Endpoint& at(size_t i) { return *endpoints[i].endpoint; }
  PendingQueue& queue() { return state->pending(); }
  // As a connection does it that has ended.
  void free(size_t i) {
    at(i).remove_active();
    if (!queue().is_empty()) queue().admit(&at(i));
  }

  std::shared_ptr<ServiceState> state = std::make_shared<ServiceState>("s");
  std::vector<WeightedEndpoint> endpoints;
};

// Made before what refers to it.
struct Tried {
  std::vector<uint32_t> tried;
};

struct Waiter : Tried, PendingQueue::Waiter {
  explicit Waiter(const Service& service, std::vector<uint32_t> without = {}, uint32_t panic = 0)
      : Tried{std::move(without)},
        PendingQueue::Waiter({&service.endpoints, Tried::tried, panic, 0}) {}

  bool is_granted = false;

 protected:
  void on_granted() override { is_granted = true; }
};

bool never() { return false; }

}  // namespace

TEST_CASE("pending queue: what becomes free goes to the one who has waited longest") {
  Service service(1, 2);
  for (int i = 0; i < 2; ++i) CHECK(service.at(0).try_add_active());
  std::deque<Waiter> waiters;
  for (int i = 0; i < 3; ++i) {
    CHECK(service.queue().enter(waiters.emplace_back(service), 10, never) == Entry::kWaiting);
  }
  CHECK(service.queue().size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    CHECK_FALSE(waiters[i].is_granted);
    service.free(0);
    REQUIRE(waiters[i].is_granted);
    const PendingQueue::Grant grant = service.queue().collect(waiters[i]);
    CHECK(grant.endpoint == 0);
    CHECK(grant.slot == Slot::kOwn);
    CHECK(service.at(0).active() == 2);
  }
  CHECK(service.queue().is_empty());
}

TEST_CASE("pending queue: takes so many and no more, and nobody where nobody may wait") {
  Service service(1, 1);
  CHECK(service.at(0).try_add_active());
  std::deque<Waiter> waiters;
  for (int i = 0; i < 3; ++i) {
    CHECK(service.queue().enter(waiters.emplace_back(service), 3, never) == Entry::kWaiting);
  }
  Waiter late(service);
  CHECK(service.queue().enter(late, 3, never) == Entry::kRefused);
  CHECK(service.queue().enter(late, 0, never) == Entry::kRefused);
  CHECK(service.queue().size() == 3);
  CHECK(service.queue().leave(waiters[1]));
  CHECK(service.queue().enter(late, 3, never) == Entry::kWaiting);
  for (Waiter* waiter : {&waiters[0], &waiters[2], &late}) CHECK(service.queue().leave(*waiter));
  CHECK(service.queue().is_empty());
}

TEST_CASE("pending queue: who comes last asks last, even for what has just become free") {
  Service service(1, 1);
  CHECK(service.at(0).try_add_active());
  Waiter first(service);
  CHECK(service.queue().enter(first, 10, never) == Entry::kWaiting);
  // Freed, and whoever did it has not come to tell yet.
  service.at(0).remove_active();
  Waiter second(service);
  bool was_room_left = true;
  const auto take = [&] { return was_room_left = service.at(0).try_add_active(); };
  CHECK(service.queue().enter(second, 10, take) == Entry::kWaiting);
  CHECK_FALSE(was_room_left);
  CHECK(first.is_granted);
  service.free(0);
  CHECK(second.is_granted);
}

TEST_CASE("pending queue: who finds room under the lock does not wait") {
  Service service(1, 1);
  Waiter waiter(service);
  const auto take = [&] { return service.at(0).try_add_active(); };
  CHECK(service.queue().enter(waiter, 10, take) == Entry::kNeedless);
  CHECK(service.queue().is_empty());
  CHECK(service.queue().enter(waiter, 10, take) == Entry::kWaiting);
  CHECK(service.queue().leave(waiter));
}

TEST_CASE("pending queue: an endpoint goes to the first who may go to it") {
  Service service(2, 1);
  Service other(1, 1);  // seen through another port
  for (size_t i = 0; i < 2; ++i) CHECK(service.at(i).try_add_active());
  Waiter has_tried_0(service, {0});
  Waiter of_other_port(other);
  Waiter has_tried_1(service, {1});
  Waiter has_tried_none(service);
  for (Waiter* waiter : {&has_tried_0, &of_other_port, &has_tried_1, &has_tried_none}) {
    CHECK(service.queue().enter(*waiter, 10, never) == Entry::kWaiting);
    if (waiter == &of_other_port) {
      // That one's own endpoint has room, and he is served before anybody else is looked at.
      service.queue().admit(nullptr);
      CHECK(of_other_port.is_granted);
    }
  }
  service.free(0);
  CHECK_FALSE(has_tried_0.is_granted);
  CHECK(has_tried_1.is_granted);
  service.free(0);
  CHECK(has_tried_none.is_granted);
  CHECK_FALSE(has_tried_0.is_granted);
  service.free(1);
  CHECK(service.queue().collect(has_tried_0).endpoint == 1);
}

TEST_CASE("pending queue: an endpoint that takes nobody is not given away until it does") {
  Service service(2, 1);
  for (size_t i = 0; i < 2; ++i) CHECK(service.at(i).try_add_active());
  Waiter waiter(service);
  CHECK(service.queue().enter(waiter, 10, never) == Entry::kWaiting);
  const auto change = GENERATE(0, 1, 2, 3);
  CAPTURE(change);
  const auto set = [&](bool is_on) {
    if (change == 0) service.at(0).set_healthy(!is_on);
    if (change == 1) service.at(0).set_ejected(is_on);
    if (change == 2) service.at(0).set_admin_state(is_on ? AdminState::kDrain : AdminState::kNone);
    if (change == 3) service.at(0).set_admin_state(is_on ? AdminState::kDown : AdminState::kNone);
    service.state->advance_epoch();
  };
  set(true);
  service.free(0);
  CHECK_FALSE(waiter.is_granted);
  set(false);
  CHECK(waiter.is_granted);
}

TEST_CASE("pending queue: where too few are up, health is no reason to hold back") {
  Service service(2, 1);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(service.at(i).try_add_active());
    service.at(i).set_healthy(false);
  }
  CHECK_FALSE(PendingQueue::is_worth_waiting({&service.endpoints, {}, 0, 0}));
  CHECK(PendingQueue::is_worth_waiting({&service.endpoints, {}, 50, 0}));
  Waiter calm(service, {}, 0);
  CHECK(service.queue().enter(calm, 10, never) == Entry::kWaiting);
  service.free(0);
  CHECK_FALSE(calm.is_granted);
  CHECK(service.queue().leave(calm));
  Waiter in_panic(service, {}, 50);
  CHECK(service.queue().enter(in_panic, 10, never) == Entry::kWaiting);
  service.free(1);
  CHECK(in_panic.is_granted);
}

TEST_CASE("pending queue: panic is judged as by who chooses, a priority at a time") {
  Service service(3, 0);
  service.endpoints[2].priority = 1;
  service.at(2).set_max_connections(1);
  CHECK(service.at(2).try_add_active());
  for (size_t i = 0; i < 2; ++i) service.at(i).set_healthy(false);
  // The first priority is down altogether, which is no panic while the other one is up.
  Waiter waiter(service, {}, 50);
  CHECK(service.queue().enter(waiter, 10, never) == Entry::kWaiting);
  service.queue().admit(nullptr);
  CHECK_FALSE(waiter.is_granted);
  service.free(2);
  REQUIRE(waiter.is_granted);
  CHECK(service.queue().collect(waiter).endpoint == 2);
}

TEST_CASE("pending queue: who takes no part hides no panic") {
  Service service(4, 1);
  service.at(0).set_healthy(false);
  for (size_t i = 1; i < 4; ++i) service.endpoints[i].is_ready = false;
  CHECK(PendingQueue::is_worth_waiting({&service.endpoints, {}, 50, 0}));
  CHECK_FALSE(PendingQueue::is_worth_waiting({&service.endpoints, {}, 0, 0}));
}

TEST_CASE("pending queue: a slot of the service is what all wait for") {
  Service service(1, 0);
  service.state->slots().set_bound(1);
  const Slot held = service.state->slots().try_take(0);
  Waiter first(service);
  Waiter second(service);
  for (Waiter* waiter : {&first, &second}) {
    CHECK(service.queue().enter(*waiter, 10, never) == Entry::kWaiting);
  }
  service.queue().admit(&service.at(0));
  CHECK_FALSE(first.is_granted);
  service.state->slots().give_back(held, 0);
  service.queue().admit(&service.at(0));
  REQUIRE(first.is_granted);
  CHECK_FALSE(second.is_granted);
  // No bound there, so it chooses for itself.
  CHECK(service.queue().collect(first).endpoint == kNoEndpoint);
  service.state->slots().set_bound(2);
  service.queue().admit(nullptr);
  CHECK(second.is_granted);
  CHECK(service.state->slots().taken() == 2);
}

TEST_CASE("pending queue: with both bounds, room elsewhere is found for who waits for a slot") {
  Service service(3, 2);
  service.state->slots().set_bound(1);
  const Slot held = service.state->slots().try_take(0);
  CHECK(service.at(0).try_add_active());
  CHECK(service.at(1).try_add_active());
  Waiter waiter(service, {1});
  CHECK(service.queue().enter(waiter, 10, never) == Entry::kWaiting);
  service.state->slots().give_back(held, 0);
  service.queue().admit(&service.at(1));
  REQUIRE(waiter.is_granted);
  CHECK(service.queue().collect(waiter).endpoint == 2);  // the least loaded
  CHECK(service.at(2).active() == 1);
}

TEST_CASE("pending queue: a bound that is raised serves as many as there is room for now") {
  Service service(1, 1);
  CHECK(service.at(0).try_add_active());
  std::deque<Waiter> waiters;
  for (int i = 0; i < 4; ++i) {
    CHECK(service.queue().enter(waiters.emplace_back(service), 10, never) == Entry::kWaiting);
  }
  service.at(0).set_max_connections(3);
  service.queue().admit(nullptr);
  CHECK((waiters[0].is_granted && waiters[1].is_granted));
  CHECK_FALSE(waiters[2].is_granted);
  // Lowered: what ends frees nothing until they are fewer than that.
  service.at(0).set_max_connections(2);
  service.free(0);
  CHECK_FALSE(waiters[2].is_granted);
  service.free(0);
  CHECK(waiters[2].is_granted);
  service.at(0).set_max_connections(0);
  service.queue().admit(nullptr);
  CHECK(waiters[3].is_granted);
}

namespace {

// A connection of a storm: asks for room, waits for it in the queue, holds it and gives it back.
class Guest : public PendingQueue::Waiter {
 public:
  explicit Guest(Service& service) : Waiter({&service.endpoints, {}, 0, 0}), service_(service) {}

  // False: it was refused. The place is held then.
  bool visit(uint32_t max_pending) {
    const auto take = [&] {
      if (slot_ == Slot::kNone) slot_ = service_.state->slots().try_take(0);
      for (uint32_t i = 0; slot_ != Slot::kNone && i < service_.endpoints.size(); ++i) {
        if (!service_.at(i).try_add_active()) continue;
        place_ = i;
        return true;
      }
      return false;
    };
    if (service_.queue().is_empty() && take()) return true;
    const Entry entry = service_.queue().enter(*this, max_pending, take);
    if (entry == Entry::kNeedless) return true;
    give_back_slot();
    if (entry == Entry::kRefused) return false;
    granted_.acquire();
    const PendingQueue::Grant grant = service_.queue().collect(*this);
    slot_ = grant.slot;
    place_ = grant.endpoint;
    return true;
  }

  void go() {
    service_.free(place_);
    give_back_slot();
  }

  size_t place() const { return place_; }

 protected:
  void on_granted() override { granted_.release(); }

 private:
  void give_back_slot() {
    service_.state->slots().give_back(std::exchange(slot_, Slot::kNone), 0);
    if (!service_.queue().is_empty()) service_.queue().admit(nullptr);
  }

  Service& service_;
  Slot slot_ = Slot::kNone;
  size_t place_ = 0;
  std::binary_semaphore granted_{0};
};

}  // namespace

TEST_CASE("pending queue: in a storm nobody is forgotten, and no bound is passed") {
  constexpr int kThreads = 6;
  constexpr uint32_t kBound = 2;
  const bool is_service_bounded = GENERATE(false, true);
  CAPTURE(is_service_bounded);
  Service service(2, is_service_bounded ? 3 : 1);
  if (is_service_bounded) service.state->slots().set_bound(kBound);
  std::atomic<uint32_t> inside = 0;
  std::atomic<bool> was_passed = false;
  std::atomic<uint64_t> served = 0;
  const uint64_t rounds = test::scaled(20'000, 2'000);
  std::latch start(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (uint64_t i = 0; i < rounds; ++i) {
        Guest guest(service);
        if (!guest.visit(kThreads)) continue;
        if (inside.fetch_add(1) + 1 > kBound) was_passed = true;
        ++served;
        // Others come while it is there, on few CPUs too.
        if (i % 8 == 0) std::this_thread::yield();
        inside.fetch_sub(1);
        guest.go();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_FALSE(was_passed);
  CHECK(served == rounds * kThreads);
  CHECK(service.queue().is_empty());
  CHECK(service.state->slots().taken() == 0);
  for (size_t i = 0; i < 2; ++i) CHECK(service.at(i).active() == 0);
}

}  // namespace lb::balance
