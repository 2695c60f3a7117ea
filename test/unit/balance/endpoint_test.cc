#include "lb/balance/endpoint.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "test/support/catch.h"

namespace lb::balance {
namespace {

std::unique_ptr<Endpoint> make_endpoint() {
  return std::make_unique<Endpoint>(*net::Address::parse("10.0.0.1", 80),
                                    std::make_shared<ServiceState>("s"));
}

}  // namespace

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
