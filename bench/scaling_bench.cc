// What keeps workers from scaling: the same operation on one thread, and on two at a time on CPUs
// of their own, in nanoseconds per operation of a thread. A ratio of 1 scales; what is above it is
// a cache line or a lock that both want. Operations of the program itself have a pause between
// them, as in a worker, or else a CPU would do many while it has the line; the pause is in both
// columns. A hint for who shares something between workers, not a claim about the product; the
// CPUs' distance at the time is the first line.
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "lb/balance/endpoint.h"
#include "lb/net/socket.h"
#include "lb/proxy/connection_budget.h"
#include "lb/proxy/stats.h"
#include "lb/proxy/worker_loads.h"
#include "lb/util/clock.h"
#include "lb/util/log_sink.h"

namespace lb::bench {
namespace {

constexpr int kRounds = 7;

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

// Does `count` operations as the given thread, 0 or 1.
using Work = std::function<void(int thread, int count)>;

// About half a microsecond in which nothing is shared.
void pause(int i) {
  auto x = static_cast<uint64_t>(i) | 1;
  for (int round = 0; round < 300; ++round) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
  }
  asm volatile("" : : "r"(x));
}

// What an operation takes each of so many threads.
double run_ns(int threads, int count, const Work& work) {
  std::atomic<int> waiting = threads;
  std::atomic<int64_t> longest_ns = 0;
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      pin(i);
      --waiting;
      while (waiting > 0) {
      }
      const int64_t begin_ns = util::clock_ns(CLOCK_MONOTONIC);
      work(i, count);
      const int64_t spent_ns = util::clock_ns(CLOCK_MONOTONIC) - begin_ns;
      int64_t longest = longest_ns;
      while (longest < spent_ns && !longest_ns.compare_exchange_weak(longest, spent_ns)) {
      }
    });
  }
  for (std::thread& thread : running) thread.join();
  return static_cast<double>(longest_ns) / count;
}

void measure(const char* name, int count, const Work& work) {
  std::vector<double> one_ns;
  std::vector<double> two_ns;
  for (int round = 0; round < kRounds; ++round) {
    one_ns.push_back(run_ns(1, count, work));
    two_ns.push_back(run_ns(2, count, work));
  }
  std::sort(one_ns.begin(), one_ns.end());
  std::sort(two_ns.begin(), two_ns.end());
  const double one = one_ns[kRounds / 2];
  const double two = two_ns[kRounds / 2];
  std::printf("%-48s %8.0f %8.0f %8.0f %8.2f\n", name, one, two, two - one, two / one);
}

// There and back again of a cache line.
double round_trip_ns() {
  constexpr int kTrips = 20'000;
  alignas(128) std::atomic<int> ball = 0;
  return run_ns(2, kTrips, [&](int thread, int count) {
    for (int i = 0; i < count; ++i) {
      while (ball.load(std::memory_order_acquire) != 2 * i + thread) {
      }
      ball.store(2 * i + thread + 1, std::memory_order_release);
    }
  });
}

void measure_counters() {
  constexpr int kCount = 50'000;
  measure("nothing", kCount, [](int /*thread*/, int count) {
    for (int i = 0; i < count; ++i) pause(i);
  });
  alignas(util::kCacheLineBytes) util::Counter side_by_side[2];
  measure("counter, two on a line", kCount, [&](int thread, int count) {
    for (int i = 0; i < count; ++i) {
      pause(i);
      side_by_side[thread].add();
    }
  });
  const auto first = std::make_shared<proxy::ListenerStats>();
  const auto second = std::make_shared<proxy::ListenerStats>();
  measure("counter, in blocks of listeners", kCount, [&](int thread, int count) {
    for (int i = 0; i < count; ++i) {
      pause(i);
      (thread == 0 ? first : second)->accepted.add();
    }
  });
  const auto shared = std::make_shared<int>(0);
  measure("shared_ptr: copy and drop, of both", kCount, [&](int /*thread*/, int count) {
    for (int i = 0; i < count; ++i) {
      const std::shared_ptr<int> copy(shared);
      pause(i);
    }
  });
  const auto endpoint = std::make_shared<balance::Endpoint>(
      net::Address(), std::make_shared<balance::ServiceState>("s"));
  measure("endpoint: active up and down", kCount, [&](int /*thread*/, int count) {
    for (int i = 0; i < count; ++i) {
      endpoint->add_active();
      pause(i);
      endpoint->remove_active();
    }
  });
  for (const uint32_t bound : {0U, 1'000'000U}) {
    balance::ServiceSlots slots;
    slots.set_bound(bound);
    measure(bound == 0 ? "service: slot taken and given back" : "service: the same under a bound",
            kCount, [&](int thread, int count) {
              for (int i = 0; i < count; ++i) {
                const auto slot = slots.try_take(static_cast<size_t>(thread));
                pause(i);
                slots.give_back(slot, static_cast<size_t>(thread));
              }
            });
  }
}

void measure_budgets() {
  constexpr int kCount = 50'000;
  for (const int64_t bound : {1'000'000, 0}) {
    proxy::WorkerLoads loads(2);
    proxy::ConnectionBudget budget(bound, 1'000'000, loads);
    measure(bound > 0 ? "budget of a connection, with maxConnections"
                      : "budget of a connection, by descriptors",
            kCount, [&](int thread, int count) {
              proxy::AcceptRoom room(budget);
              for (int i = 0; i < count; ++i) {
                if (room.look(i / 30) <= 0 || !budget.try_take()) return;
                loads.set_active(static_cast<size_t>(thread), 1);
                pause(i);
                budget.give_back();
                loads.set_active(static_cast<size_t>(thread), 0);
              }
            });
  }
  proxy::WorkerLoads loads(2);
  measure("load: set own, look at the other's", kCount, [&](int thread, int count) {
    uint64_t sum = 0;
    for (int i = 0; i < count; ++i) {
      loads.set_active(static_cast<size_t>(thread), static_cast<size_t>(i));
      pause(i);
      sum += loads.load(static_cast<size_t>(1 - thread));
    }
    if (sum == 1) std::printf("never");
  });
}

void measure_log() {
  const int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
  {
    util::LogSink sink(fd, util::RecordFormat::kLogfmt);
    const std::string lines(10 * 400, 'x');
    measure("access log: ten lines of a turn", 3000, [&](int /*thread*/, int count) {
      for (int i = 0; i < count; ++i) {
        sink.write(lines);
        // As often as a worker's turn would.
        const int64_t until_ns = util::clock_ns(CLOCK_MONOTONIC) + 30'000;
        while (util::clock_ns(CLOCK_MONOTONIC) < until_ns) {
        }
      }
    });
  }
  close(fd);
}

// Its own table, as if the thread was a process: what it opens is its alone.
void leave_table(bool is_private) {
  if (is_private && unshare(CLONE_FILES) != 0) std::perror("unshare");
}

void open_and_close(int count) {
  for (int i = 0; i < count; ++i) close(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

// A client of its own connects, is accepted, and both ends are closed with RST.
void accept_and_close(int count) {
  const net::Address any = *net::Address::parse("127.0.0.1", 0);
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, any.data(), any.size_bytes()) != 0 || ::listen(listener, 128) != 0) return;
  const net::Address address = net::local_address(listener);
  for (int i = 0; i < count; ++i) {
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(client, address.data(), address.size_bytes()) != 0) std::perror("connect");
    const int accepted = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    net::arm_reset(client);
    close(client);
    close(accepted);
  }
  close(listener);
}

// Bytes through a descriptor that is there: every call looks it up.
void write_and_read(int count) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
  char byte = 0;
  for (int i = 0; i < count; ++i) {
    if (write(ends[0], &byte, 1) + read(ends[1], &byte, 1) != 2) break;
  }
  close(ends[0]);
  close(ends[1]);
}

void measure_tables() {
  for (const bool is_private : {false, true}) {
    const char* const table = is_private ? "tables of their own" : "one table";
    const auto named = [&](const char* what, int count, void (*work)(int)) {
      char name[64];
      std::snprintf(name, sizeof(name), "%s, %s", what, table);
      measure(name, count, [&](int /*thread*/, int operations) {
        leave_table(is_private);
        work(operations);
      });
    };
    named("socket and close", 50'000, open_and_close);
    named("connect, accept and close", 5'000, accept_and_close);
    named("write and read", 100'000, write_and_read);
  }
}

}  // namespace
}  // namespace lb::bench

int main() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) < 2) {
    std::puts("two CPUs are needed");
    return 1;
  }
  std::printf("a cache line's round trip between the two CPUs: %.0f ns\n",
              lb::bench::round_trip_ns());
  std::printf("%-48s %8s %8s %8s %8s\n", "nanoseconds", "1 thread", "2", "more", "ratio");
  lb::bench::measure_counters();
  lb::bench::measure_budgets();
  lb::bench::measure_log();
  lb::bench::measure_tables();
  std::printf("a cache line's round trip at the end: %.0f ns\n", lb::bench::round_trip_ns());
}
