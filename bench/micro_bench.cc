// What the data path's own parts cost, without a kernel: nanoseconds per operation, the median of
// several rounds. A hint for who changes one of them, not a claim about the product.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "lb/balance/consistent_hash.h"
#include "lb/balance/least_connections.h"
#include "lb/balance/random_choice.h"
#include "lb/balance/round_robin.h"
#include "lb/balance/selection.h"
#include "lb/balance/smooth_weighted.h"
#include "lb/event/buffer_pool.h"
#include "lb/event/timer_wheel.h"
#include "lb/util/clock.h"
#include "lb/util/random.h"
#include "lb/util/slab.h"

namespace lb::bench {
namespace {

constexpr int kRounds = 9;
constexpr int kOperations = 200'000;

// Runs `operation` often and prints what one took.
template <typename Operation>
void measure(const char* name, Operation operation) {
  std::vector<double> rounds_ns;
  for (int round = 0; round < kRounds; ++round) {
    const int64_t begin_ns = util::clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < kOperations; ++i) operation(i);
    const int64_t spent_ns = util::clock_ns(CLOCK_MONOTONIC) - begin_ns;
    rounds_ns.push_back(static_cast<double>(spent_ns) / kOperations);
  }
  std::sort(rounds_ns.begin(), rounds_ns.end());
  std::printf("%-40s %8.1f ns  (%.1f to %.1f)\n", name, rounds_ns[kRounds / 2], rounds_ns.front(),
              rounds_ns.back());
}

struct Owner {
  Owner() { timer.bind<&Owner::on_timer>(this); }
  void on_timer() {}

  event::Timer timer;
};

void measure_timers() {
  event::TimerWheel wheel(0);
  util::Random random(1);
  std::vector<Owner> owners(10'000);
  measure("timer: start, 10 000 running", [&](int i) {
    wheel.start(owners[static_cast<size_t>(i) % owners.size()].timer,
                1 + static_cast<util::MonoTimeMs>(random.below(3'600'000)));
  });
  for (Owner& owner : owners) wheel.stop(owner.timer);
}

void measure_picks(size_t endpoints) {
  std::vector<uint32_t> weights;
  for (size_t i = 0; i < endpoints; ++i) weights.push_back(static_cast<uint32_t>(1 + i % 7));
  balance::SmoothWeighted order(weights, 0);
  char name[64];
  std::snprintf(name, sizeof(name), "weighted pick, %zu endpoints", endpoints);
  measure(name, [&](int) { order.pick([](size_t) { return true; }); });
}

// A service whose weights are 1 to `weights`, over and over.
std::vector<balance::WeightedEndpoint> service_of(size_t endpoints, size_t weights) {
  const auto state = std::make_shared<balance::ServiceState>("s");
  std::vector<balance::WeightedEndpoint> service;
  for (size_t i = 0; i < endpoints; ++i) {
    const std::string ip = "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256);
    service.push_back({std::make_shared<balance::Endpoint>(*net::Address::parse(ip, 80), state),
                       static_cast<uint32_t>(1 + i % weights)});
  }
  return service;
}

template <typename MakeBalancer>
void measure_choice(const char* type, size_t endpoints, size_t weights, MakeBalancer make) {
  const std::vector<balance::WeightedEndpoint> service = service_of(endpoints, weights);
  balance::MaglevTables tables;
  const std::vector<balance::HashTier> tiers = balance::make_hash_tiers(service, 65'537, 0, tables);
  balance::Selection selection(service, {}, [&](uint32_t) { return make(tiers.front()); });
  std::vector<net::Address> clients;
  for (int i = 0; i < 256; ++i) {
    clients.push_back(*net::Address::parse("192.0.2." + std::to_string(i), 1));
  }
  char name[64];
  std::snprintf(name, sizeof(name), "%s, %zu endpoints, %zu weights", type, endpoints, weights);
  measure(name, [&](int i) {
    selection.pick({{}, 0, &clients[static_cast<size_t>(i) % clients.size()]});
  });
}

void measure_choices(size_t endpoints, size_t weights) {
  measure_choice("LeastConnections", endpoints, weights, [](const balance::HashTier&) {
    return std::make_unique<balance::LeastConnections>(1);
  });
  measure_choice("RoundRobin", endpoints, weights,
                 [](const balance::HashTier&) { return std::make_unique<balance::RoundRobin>(1); });
  measure_choice("Random", endpoints, weights, [](const balance::HashTier&) {
    return std::make_unique<balance::RandomChoice>(1);
  });
  measure_choice("ConsistentHash", endpoints, weights, [](const balance::HashTier& tier) {
    return std::make_unique<balance::ConsistentHash>(tier, balance::SourcePrefix());
  });
}

void measure_tables() {
  for (const size_t endpoints : {3U, 1000U}) {
    const std::vector<balance::WeightedEndpoint> service = service_of(endpoints, 7);
    const int64_t begin_ns = util::clock_ns(CLOCK_MONOTONIC);
    balance::MaglevTables tables;
    balance::make_hash_tiers(service, 65'537, 0, tables);
    const int64_t spent_ns = util::clock_ns(CLOCK_MONOTONIC) - begin_ns;
    std::printf("Maglev table of 65537, %zu endpoints: %.1f ms\n", endpoints,
                static_cast<double>(spent_ns) / 1e6);
  }
}

struct Thousand {
  char bytes[1000];
};

void measure_memory() {
  event::BufferPool pool(1024, 16384);
  measure("buffer: take and give back", [&](int) { pool.take(); });
  util::Slab<Thousand> slab;
  measure("slab: create and destroy 1000 bytes", [&](int) { slab.destroy(slab.create()); });
}

}  // namespace
}  // namespace lb::bench

int main() {
  lb::bench::measure_memory();
  lb::bench::measure_timers();
  for (const size_t endpoints : {3U, 100U, 1000U}) lb::bench::measure_picks(endpoints);
  for (const size_t endpoints : {3U, 1000U}) lb::bench::measure_choices(endpoints, 7);
  lb::bench::measure_choices(1000, 1000);
  lb::bench::measure_tables();
  return 0;
}
