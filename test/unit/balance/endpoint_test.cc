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

}  // namespace lb::balance
