// What workers see of each other: sums, and a door that loses nobody.
#include "lb/proxy/worker_loads.h"

#include <atomic>
#include <thread>
#include <vector>

#include "lb/event/engine_factory.h"
#include "lb/proxy/hand_over.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::proxy {
namespace {

// Somebody to be found behind a door.
struct Receiver {
  std::unique_ptr<event::Engine> engine = *event::make_engine(event::EngineKind::kEpoll, {});
  WorkerLoads loads{1};
  HandOver hand_over{loads, 0, *engine, 1};
};

}  // namespace

TEST_CASE("worker loads: what a worker has and what is on its way to it count alike") {
  Receiver somebody;
  WorkerLoads loads(3);
  CHECK(loads.size() == 3);
  loads.set_active(0, 5);
  loads.set_active(2, 7);
  loads.open(2, somebody.hand_over);
  REQUIRE(loads.set_out(2) == &somebody.hand_over);
  REQUIRE(loads.set_out(2) == &somebody.hand_over);
  CHECK(loads.load(0) == 5);
  CHECK(loads.load(1) == 0);
  CHECK(loads.load(2) == 9);
  CHECK(loads.total() == 14);
  loads.posted(2);
  CHECK(loads.load(2) == 9);
  loads.arrived(2);
  CHECK(loads.load(2) == 8);
  loads.arrived(2);
  loads.posted(2);
  CHECK(loads.load(2) == 7);
  loads.count_handed_over(1);
  CHECK(loads.handed_over(1) == 1);
  CHECK(loads.handed_over(2) == 0);
}

TEST_CASE("worker loads: the door is shut before open() and after close()") {
  Receiver somebody;
  WorkerLoads loads(1);
  CHECK(loads.set_out(0) == nullptr);
  loads.open(0, somebody.hand_over);
  CHECK(!loads.is_expecting(0));
  REQUIRE(loads.set_out(0) != nullptr);
  loads.close(0);
  CHECK(loads.set_out(0) == nullptr);
  CHECK(loads.is_expecting(0));
  loads.arrived(0);
  CHECK(!loads.is_expecting(0));
  loads.posted(0);
  loads.wait_posted(0);
}

TEST_CASE("worker loads: nobody sets out for a worker that is closed and expects nobody") {
  Receiver somebody;
  const auto rounds = test::scaled(100, 50);
  for (uint64_t round = 0; round < rounds; ++round) {
    WorkerLoads loads(1);
    loads.open(0, somebody.hand_over);
    std::atomic<uint64_t> mailbox = 0;
    std::atomic<uint64_t> sent = 0;
    std::atomic<int> began = 0;
    std::vector<std::thread> senders;
    for (int i = 0; i < 2; ++i) {
      senders.emplace_back([&] {
        ++began;
        while (loads.set_out(0) != nullptr) {
          ++sent;
          ++mailbox;
          loads.posted(0);
        }
      });
    }
    while (began < 2 || sent < 10) std::this_thread::yield();
    loads.close(0);
    uint64_t arrived = 0;
    while (loads.is_expecting(0)) {
      for (uint64_t left = mailbox.exchange(0); left > 0; --left, ++arrived) loads.arrived(0);
    }
    loads.wait_posted(0);
    CHECK(mailbox == 0);
    for (std::thread& sender : senders) sender.join();
    REQUIRE(arrived == sent);
  }
}

}  // namespace lb::proxy
