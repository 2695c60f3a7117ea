// A pause in which nobody looks, as a probe of the cores' distance makes one.
#include "bench/load_exchange.h"

#include <memory>
#include <optional>

#include "bench/backend.h"
#include "lb/util/clock.h"
#include "test/support/catch.h"

namespace lb::bench {
namespace {

constexpr int64_t kPauseNs = 100'000'000'000;

int64_t now() { return util::clock_ns(CLOCK_MONOTONIC); }

struct Bench {
  Bench() {
    REQUIRE(Backend::start(poller, net::Address::parse("127.0.0.1", 0).value(), &backend) == 0);
    options.target = backend->address();
    options.connections = 1;
    load.emplace(poller, options, true, errors);
    while (!load->is_prepared()) poller.turn(1'000'000);
    REQUIRE(load->ready() == 1);
  }

  Poller poller;
  std::unique_ptr<Backend> backend;
  LoadOptions options;
  ErrorCounts errors;
  std::optional<ExchangeLoad> load;
};

}  // namespace

TEST_CASE("a pause makes nothing due") {
  Bench bench;
  const int64_t now_ns = now();
  bench.load->start(now_ns - kPauseNs, 10);
  CHECK(bench.load->behind(now_ns) == 1'001);
  bench.load->skip_pause(kPauseNs);
  CHECK(bench.load->behind(now_ns) == 1);
}

TEST_CASE("an exchange that is under way is not slower for a pause") {
  Bench bench;
  bench.load->start(now() - kPauseNs, 0);
  bench.load->skip_pause(kPauseNs);
  bench.load->begin_recording();
  while (bench.load->operations() == 0) bench.poller.turn(1'000'000);
  CHECK(bench.load->latency().max_ns() < kPauseNs / 2);
}

}  // namespace lb::bench
