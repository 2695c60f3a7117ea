// What health checks cost: the CPU time of a thread that does nothing else, as a share of one core,
// with as many endpoints of 127/8 as are asked for. usage: checks_bench [ENDPOINTS [SECONDS]]
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "lb/balance/endpoint_registry.h"
#include "lb/event/engine_factory.h"
#include "lb/health/health_checker.h"
#include "lb/net/socket.h"

namespace {

using lb::health::HealthChecker;

// Accepts whatever comes, and closes it.
void serve(int listen_fd, const std::atomic<bool>& is_over) {
  while (!is_over) {
    pollfd query = {listen_fd, POLLIN, 0};
    poll(&query, 1, 100);
    for (int fd = accept(listen_fd, nullptr, nullptr); fd >= 0;
         fd = accept(listen_fd, nullptr, nullptr)) {
      close(fd);
    }
  }
}

int fail(const char* what) {
  std::fprintf(stderr, "checks_bench: %s\n", what);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const size_t endpoints = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 500;
  const int64_t duration_ms = (argc > 2 ? std::strtol(argv[2], nullptr, 10) : 15) * 1000;
  lb::net::UniqueFd listener;
  if (lb::net::listen_stream(*lb::net::Address::parse("0.0.0.0", 0), {}, &listener) < 0) {
    return fail("no listener");
  }
  const uint16_t port = lb::net::local_address(listener.get()).port();
  std::atomic<bool> is_over = false;
  std::thread server([&] { serve(listener.get(), is_over); });

  auto engine = lb::event::make_engine(lb::event::EngineKind::kEpoll, {.max_buffers = 16});
  if (!engine.ok()) return fail("no engine");
  lb::balance::EndpointRegistry registry;
  lb::health::HealthBoard board;
  std::vector<HealthChecker::Followed> followed;
  for (size_t i = 0; i < endpoints; ++i) {
    const std::string ip = fmt::format("127.{}.{}.{}", 1 + i / 62'500, i / 250 % 250, 1 + i % 250);
    followed.push_back({registry.find_or_make("bench", *lb::net::Address::parse(ip, port)),
                        lb::config::ActiveCheck(), lb::config::ProxyVersion::kNone});
  }
  uint64_t checks = 0;
  double share = 0;
  {
    HealthChecker checker(**engine, board, 256, 1);
    checker.follow(followed);
    const auto run_for = [&](int64_t ms) {
      const int64_t end_ms = lb::util::mono_now_ms() + ms;
      while (lb::util::mono_now_ms() < end_ms) (*engine)->run_once(end_ms);
    };
    const auto sum = [&] {
      uint64_t all = 0;
      for (const HealthChecker::Figures& figures : checker.figures()) all += figures.results[0];
      return all;
    };
    run_for(4000);  // the first round, which is a faster one
    const uint64_t checks_before = sum();
    const int64_t begun_ns = lb::util::clock_ns(CLOCK_MONOTONIC);
    const int64_t begun_cpu_ns = lb::util::clock_ns(CLOCK_THREAD_CPUTIME_ID);
    run_for(duration_ms);
    const auto cpu_ns =
        static_cast<double>(lb::util::clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun_cpu_ns);
    share = cpu_ns / static_cast<double>(lb::util::clock_ns(CLOCK_MONOTONIC) - begun_ns);
    checks = sum() - checks_before;
    std::printf("%zu endpoints, %.1f checks/s, %.1f us a check, %.2f %% of a core\n", endpoints,
                static_cast<double>(checks) * 1000 / static_cast<double>(duration_ms),
                cpu_ns / 1000 / static_cast<double>(checks), share * 100);
  }
  is_over = true;
  server.join();
  return 0;
}
