#include "lb/balance/endpoint.h"

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::balance {
namespace {

std::shared_ptr<Endpoint> make_endpoint() {
  return std::make_shared<Endpoint>(net::Address(), std::make_shared<ServiceState>("s"));
}

}  // namespace

TEST_CASE("endpoint: its bound holds, and counts who came before it") {
  const auto endpoint = make_endpoint();
  CHECK(endpoint->has_room());
  for (int i = 0; i < 3; ++i) CHECK(endpoint->try_add_active());
  endpoint->set_max_connections(4);
  CHECK(endpoint->try_add_active());
  CHECK_FALSE(endpoint->has_room());
  CHECK_FALSE(endpoint->try_add_active());
  CHECK(endpoint->active() == 4);
  endpoint->set_max_connections(2);
  endpoint->remove_active();
  endpoint->remove_active();
  CHECK_FALSE(endpoint->try_add_active());
  endpoint->remove_active();
  CHECK(endpoint->try_add_active());
  endpoint->set_max_connections(0);
  CHECK(endpoint->try_add_active());
  CHECK(endpoint->active() == 3);
}

TEST_CASE("endpoint: never more than its bound, whoever comes") {
  constexpr int kThreads = 4;
  constexpr uint32_t kBound = 3;
  const auto endpoint = make_endpoint();
  endpoint->set_max_connections(kBound);
  std::atomic<bool> was_exceeded = false;
  // Enough for two of them to meet between a look and a step, also where CPUs are few.
  const uint64_t rounds = test::scaled(500'000, 50'000);
  std::latch start(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (uint64_t i = 0; i < rounds; ++i) {
        if (!endpoint->try_add_active()) continue;
        if (endpoint->active() > kBound) was_exceeded = true;
        if (i % 64 == 0) std::this_thread::yield();
        endpoint->remove_active();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_FALSE(was_exceeded);
  CHECK(endpoint->active() == 0);
}

TEST_CASE("endpoint: connect failures count while they are in a row") {
  const auto endpoint = make_endpoint();
  CHECK(!endpoint->count_connect_failure(3));
  CHECK(!endpoint->count_connect_failure(3));
  endpoint->forget_connect_failures();
  CHECK(!endpoint->count_connect_failure(3));
  CHECK(!endpoint->count_connect_failure(3));
  CHECK(endpoint->count_connect_failure(3));
  // From the beginning; a configuration may have lowered the threshold meanwhile.
  CHECK(!endpoint->count_connect_failure(3));
  CHECK(!endpoint->count_connect_failure(3));
  CHECK(endpoint->count_connect_failure(2));
  CHECK(endpoint->count_connect_failure(1));
}

TEST_CASE("endpoint: of several threads one brings the failures to the threshold") {
  constexpr uint32_t kThreshold = 5;
  constexpr uint32_t kPerThread = 20'000;
  const auto endpoint = make_endpoint();
  std::atomic<uint32_t> reports = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (uint32_t n = 0; n < kPerThread; ++n) {
        if (endpoint->count_connect_failure(kThreshold)) ++reports;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // Each report stands for a threshold of failures of its own, and for a few more when others count
  // meanwhile; none is given twice.
  CHECK(reports <= 3 * kPerThread / kThreshold);
  CHECK(reports > 0);
}

}  // namespace lb::balance
