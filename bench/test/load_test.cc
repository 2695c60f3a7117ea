// Load against its own backend, and against one that misbehaves.
#include "bench/load.h"

#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>

#include "bench/backend.h"
#include "bench/child_process.h"
#include "lb/net/socket.h"
#include "test/support/catch.h"

namespace lb::bench {
namespace {

const std::atomic<bool> kGoOn = false;

LoadOptions short_load(Workload workload) {
  LoadOptions options;
  options.workload = workload;
  options.connections = 8;
  options.duration_ms = 50;
  options.warmup_ms = 10;
  options.pids = {getpid()};
  return options;
}

LoadResult run_with_backend(LoadOptions options) {
  Poller poller;
  std::unique_ptr<Backend> backend;
  REQUIRE(Backend::start(poller, net::Address::parse("127.0.0.1", 0).value(), &backend) == 0);
  options.target = backend->address();
  LoadResult result = run_load(poller, options, kGoOn);
  CHECK(backend->errors().total() == 0);
  return result;
}

// Answers what it gets with one byte changed.
class Liar final : private Watcher {
 public:
  explicit Liar(Poller& poller) : poller_(poller) {
    REQUIRE(net::listen_stream(net::Address::parse("127.0.0.1", 0).value(), {}, &listener_) == 0);
    poller_.add(listener_.get(), EPOLLIN, *this);
  }
  net::Address address() const { return net::local_address(listener_.get()); }

 private:
  void on_ready(uint32_t) override {
    if (!connection_.is_open()) {
      connection_.reset(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK));
      poller_.add(connection_.get(), EPOLLIN, *this);
      return;
    }
    char bytes[256];
    const ssize_t got = read(connection_.get(), bytes, sizeof(bytes));
    if (got <= 0) return connection_.reset();
    bytes[got - 1] ^= 1;
    CHECK(write(connection_.get(), bytes, static_cast<size_t>(got)) == got);
  }

  Poller& poller_;
  net::UniqueFd listener_;
  net::UniqueFd connection_;
};

}  // namespace

TEST_CASE("every workload runs against its own backend without an error") {
  const Workload workload = GENERATE(Workload::kRR, Workload::kCRR, Workload::kIdle);
  const LoadResult result = run_with_backend(short_load(workload));
  CHECK(result.connections == 8);
  CHECK(result.errors.total() == 0);
  CHECK((result.operations > 0) == (workload != Workload::kIdle));
  CHECK(result.latency.count() == result.operations);
  if (workload != Workload::kIdle) CHECK(result.proxy_cpu_seconds > 0);
}

TEST_CASE("streams go in each direction") {
  LoadOptions options = short_load(Workload::kStream);
  options.direction = GENERATE(Direction::kUp, Direction::kDown, Direction::kBoth);
  const LoadResult result = run_with_backend(options);
  CHECK(result.connections == 8);
  CHECK(result.errors.total() == 0);
  CHECK(result.stream_bytes > 0);
}

TEST_CASE("mixed does both") {
  LoadOptions options = short_load(Workload::kMixed);
  options.streams = 2;
  const LoadResult result = run_with_backend(options);
  CHECK(result.connections == 10);
  CHECK(result.errors.total() == 0);
  CHECK(result.operations > 0);
  CHECK(result.stream_bytes > 0);
}

TEST_CASE("messages of any size come back whole") {
  LoadOptions options = short_load(Workload::kRR);
  options.size_bytes = GENERATE(1U, 7U, 4'096U, 300'000U);
  const LoadResult result = run_with_backend(options);
  CHECK(result.errors.total() == 0);
  CHECK(result.operations > 0);
}

TEST_CASE("a count ends the run, a rate is kept") {
  LoadOptions options = short_load(Workload::kRR);
  options.duration_ms = 60'000;
  options.count = 500;
  options.rate = 5'000;
  options.spins = GENERATE(false, true);
  const LoadResult result = run_with_backend(options);
  CHECK(result.operations >= 500);
  CHECK(result.operations < 1'000);
  CHECK(result.seconds > 0.05);  // it would take a few milliseconds without the rate
}

TEST_CASE("a run in slices ends, and its parts belong together") {
  LoadOptions options = short_load(GENERATE(Workload::kRR, Workload::kMixed));
  options.duration_ms = 200;
  options.rate = GENERATE(0.0, 500.0);
  options.proxy_cpu = usable_cpus().front();
  const LoadResult result = run_with_backend(options);
  CHECK(result.errors.total() == 0);
  CHECK(result.slices_kept + result.slices_left_out >= 2);
  CHECK(result.latency.count() == result.operations);
  CHECK(result.elapsed_seconds >= result.seconds);
  CHECK(result.elapsed_seconds >= 0.2);
  // How many count is up to the machine.
  CHECK((result.operations > 0) == (result.slices_kept > 0));
}

TEST_CASE("slices at another distance do not count, and are given up") {
  LoadOptions options = short_load(Workload::kRR);
  options.duration_ms = 100;
  options.proxy_cpu = usable_cpus().front();
  options.distance_ns = 1'000'000'000;
  const LoadResult result = run_with_backend(options);
  CHECK(result.connections == 8);
  CHECK(result.slices_kept == 0);
  CHECK(result.slices_left_out > 0);
  CHECK(result.operations == 0);
  CHECK(result.seconds == 0);
  CHECK(result.elapsed_seconds >= 0.4);
}

TEST_CASE("a target that refuses is counted as that, once for each connection") {
  Poller poller;
  LoadOptions options = short_load(GENERATE(Workload::kRR, Workload::kStream));
  {
    net::UniqueFd listener;
    REQUIRE(net::listen_stream(net::Address::parse("127.0.0.1", 0).value(), {}, &listener) == 0);
    options.target = net::local_address(listener.get());
  }
  const LoadResult result = run_load(poller, options, kGoOn);
  CHECK(result.connections == 0);
  CHECK(result.errors.of(ErrorKind::kRefused) >= 8);
  CHECK(result.errors.total() == result.errors.of(ErrorKind::kRefused));
}

TEST_CASE("a wrong byte is seen before anything is measured") {
  Poller poller;
  const Liar liar(poller);
  LoadOptions options = short_load(Workload::kRR);
  options.connections = 1;
  options.target = liar.address();
  const LoadResult result = run_load(poller, options, kGoOn);
  CHECK(result.connections == 0);
  CHECK(result.operations == 0);
  CHECK(result.errors.of(ErrorKind::kWrongBytes) == 1);
}

}  // namespace lb::bench
