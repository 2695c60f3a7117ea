// Backends that die and come back, one after the other, under clients that connect, exchange and
// close: nobody notices but who was on the one that died.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/churn.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/scale.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

constexpr int kClients = 4;
constexpr std::chrono::milliseconds kDead{500};
constexpr std::chrono::milliseconds kAlive{500};

// Ends a backend with all of its connections. Errors of its scripts are those of being killed.
void kill(std::unique_ptr<TcpBackend>& backend) { backend.reset(); }

void kill_and_revive(std::vector<std::unique_ptr<TcpBackend>>& backends, uint64_t seconds) {
  for (uint64_t i = 0; i < seconds; ++i) {
    std::unique_ptr<TcpBackend>& backend = backends[i % backends.size()];
    const net::Address address = backend->address();
    kill(backend);
    std::this_thread::sleep_for(kDead);
    backend = std::make_unique<TcpBackend>(echo, address);
    std::this_thread::sleep_for(kAlive);
  }
}

}  // namespace

TEST_CASE("killing and reviving one of three backends fails only who was connected to it") {
  const auto engine = SLUICE_EACH_ENGINE();
  // An ejection that is over before the endpoint dies again, so that it is found dead every time;
  // and the default, under which it stays out for most of the test.
  const std::string base = GENERATE("100ms", "30s");
  CAPTURE(engine, base);
  std::vector<std::unique_ptr<TcpBackend>> backends;
  std::vector<net::Address> addresses;
  for (int i = 0; i < 3; ++i) {
    backends.push_back(std::make_unique<TcpBackend>(echo));
    addresses.push_back(backends.back()->address());
  }
  Balancer balancer(
      engine, addresses,
      {.service = fmt::format("healthCheck.passive = {{ baseEjectionTime = \"{}\" }}", base)});
  Churn churn(balancer.address(), kClients);
  kill_and_revive(backends, scaled(30, 5));
  const uint64_t before = churn.served();
  CHECK(eventually([&] { return churn.served() > before + 20; }));
  const Churn::Outcome outcome = churn.stop();
  CHECK_NOTHROW(balancer.process().stop());

  uint64_t cut = 0;
  uint64_t retried = 0;
  for (const AccessRecord& record : balancer.process().records()) {
    INFO(record.line());
    if (record.number("attempts") > 1) ++retried;
    // Whoever found no server failed for another reason than that its server died.
    REQUIRE(record.close_place() == "data");
    const std::string word = record.close_word();
    if (word != "client_fin") {
      CHECK((word == "server_fin" || word == "server_reset"));
      ++cut;
    }
  }
  INFO(outcome.first_failure);
  fmt::print("{} {}: {} served, {} retried, {} cut, {} failures\n", engine, base, outcome.served,
             retried, cut, outcome.failures);
  // The answer may have come before the end, so some of those who were cut did not mind.
  CHECK(outcome.failures <= cut);
  CHECK(retried > 0);
  CHECK(outcome.served > 10 * scaled(30, 5));
}

}  // namespace lb::test
