// A huge configuration: it starts and reloads in time, and no reload makes a connection wait.
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "test/support/catch.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/network_namespace.h"
#include "test/support/process_stats.h"
#include "test/support/scale.h"
#include "test/support/sluice_process.h"
#include "test/support/socket.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

// The bounds hold for a build that is optimized and not instrumented.
#ifdef __OPTIMIZE__
bool is_timed() { return !is_sanitized(); }
#else
bool is_timed() { return false; }
#endif

constexpr uint16_t kBackendPort = 1000;
constexpr uint16_t kMainPort = 1001;
constexpr uint16_t kFirstPort = 2000;

// Every listening socket keeps two descriptors free for a connection that it accepts last.
uint64_t possible_listeners() {
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const uint64_t possible = limit.rlim_max > 2000 ? (limit.rlim_max - 2000) / 3 : 0;
  return std::min<uint64_t>(scaled(10'000, 500), possible);
}

// A listener "main" with a backend, and everything in great number beside it.
struct Huge {
  uint64_t listeners = possible_listeners();
  uint64_t services = scaled(1000, 50);

  std::string str(uint64_t first_port, int weight, int first_host) const {
    std::string text =
        "[runtime]\nworkers = 1\n[accessLog]\npath = \"off\"\n"
        "[[gateways]]\nname = \"main\"\naddresses = [{ value = \"127.0.0.1\" }]\n";
    text += fmt::format("listeners = [{{ name = \"main\", port = {}, protocol = \"TCP\" }}]\n",
                        kMainPort);
    text +=
        "[[tcpRoutes]]\nname = \"main\"\nparentRefs = [{ name = \"main\" }]\n"
        "rules = [{ backendRefs = [{ name = \"main\", port = 80 }] }]\n"
        "[[services]]\nname = \"main\"\nports = [{ port = 80 }]\n";
    text += fmt::format("endpoints = [{{ address = \"127.0.0.1\", port = {} }}]\n", kBackendPort);
    for (uint64_t i = 0; i < listeners; i += kListenersPerGateway) {
      add_gateway(i, first_port, weight, text);
    }
    for (uint64_t i = 0; i < services; ++i) {
      text += fmt::format(
          "[[services]]\nname = \"s{}\"\nports = [{{ port = 80 }}]\nendpoints = [\n", i);
      for (int host = first_host; host < first_host + 100; ++host) {
        text += fmt::format("  {{ address = \"10.{}.{}.{}\" }},\n", i / 250, i % 250, host);
      }
      text += "]\n";
    }
    return text;
  }

 private:
  static constexpr uint64_t kListenersPerGateway = 64;  // the API's limit

  void add_gateway(uint64_t first, uint64_t first_port, int weight, std::string& text) const {
    const uint64_t end = std::min(first + kListenersPerGateway, listeners);
    text += fmt::format(
        "[[gateways]]\nname = \"g{}\"\naddresses = [{{ value = \"127.0.0.1\" }}]\nlisteners = [\n",
        first);
    for (uint64_t i = first; i < end; ++i) {
      text += fmt::format("  {{ name = \"l{}\", port = {}, protocol = \"TCP\" }},\n", i,
                          first_port + i);
    }
    text += "]\n";
    for (uint64_t i = first; i < end; ++i) {
      text += fmt::format(
          "[[tcpRoutes]]\nname = \"r{0}\"\nparentRefs = [{{ name = \"g{1}\", sectionName = "
          "\"l{0}\" "
          "}}]\nrules = [{{ backendRefs = [{{ name = \"s{2}\", port = 80, weight = {3} }}] }}]\n",
          i, first, i % services, weight);
    }
  }
};

// A held connection that sends a byte every millisecond and waits for its echo: how long that took
// at most, and how long its worker was at work meanwhile. On a machine that has other things to do
// only the second says something about us.
class Pinger {
 public:
  explicit Pinger(pid_t pid)
      : pid_(pid),
        worker_(thread_of(pid, "worker0")),
        socket_(Socket::connect(ip_address("127.0.0.1", kMainPort))),
        thread_([this] { run(); }) {}
  ~Pinger() {
    stopping_ = true;
    thread_.join();
  }

  struct Longest {
    nanoseconds wall{0};
    nanoseconds work{0};
  };
  // Since the last time this was asked.
  Longest take() { return {nanoseconds(wall_ns_.exchange(0)), nanoseconds(work_ns_.exchange(0))}; }
  bool is_well() const { return !has_failed_; }

 private:
  void run() try {
    while (!stopping_) {
      const auto start = steady_clock::now();
      const nanoseconds before = thread_time(pid_, worker_).ran;
      socket_.send("x");
      socket_.recv_exactly(1);
      raise(work_ns_, thread_time(pid_, worker_).ran - before);
      raise(wall_ns_, steady_clock::now() - start);
      std::this_thread::sleep_for(milliseconds(1));
    }
  } catch (const std::exception&) {
    has_failed_ = true;
  }

  static void raise(std::atomic<int64_t>& longest_ns, nanoseconds duration) {
    longest_ns = std::max<int64_t>(longest_ns, duration.count());
  }

  const pid_t pid_;
  const pid_t worker_;
  Socket socket_;
  std::atomic<int64_t> wall_ns_ = 0;
  std::atomic<int64_t> work_ns_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> has_failed_ = false;
  std::thread thread_;
};

double ms(nanoseconds duration) { return static_cast<double>(duration.count()) / 1e6; }

// Reloads to that configuration. Whether it took the control thread no more than a few times what
// the start took, and no echo more of its worker's time than a small part of that: a busy machine
// makes all three longer.
bool reload_in_time(SluiceProcess& process, Pinger& pinger, nanoseconds start_ran,
                    const std::string& what, const std::string& config) {
  const pid_t pid = process.pid();
  process.write_config(config);
  const int reloads = process.log().count("msg=reloaded");
  pinger.take();
  const ThreadTime before = thread_time(pid, pid);
  const auto start = steady_clock::now();
  process.send_signal(SIGHUP);
  REQUIRE(eventually([&] { return process.log().count("msg=reloaded") > reloads; },
                     std::chrono::seconds(60)));
  const nanoseconds took = steady_clock::now() - start;
  const ThreadTime after = thread_time(pid, pid);
  const Pinger::Longest longest = pinger.take();
  std::printf("  %s: %.0f ms, %.0f on the control thread; longest echo %.1f ms, %.1f at work\n",
              what.c_str(), ms(took), ms(after.ran - before.ran), ms(longest.wall),
              ms(longest.work));
  std::fflush(stdout);
  INFO(what);
  CHECK(pinger.is_well());
  return after.ran - before.ran < 3 * start_ran && 20 * longest.work < start_ran;
}

}  // namespace

TEST_CASE("a huge configuration starts and reloads in time, and no connection waits for it") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto network = NetworkNamespace::enter();
  if (network == nullptr) return;
  raise_open_file_limit();
  const TcpBackend backend(echo, ip_address("127.0.0.1", kBackendPort));
  const Huge huge;
  const std::string config = huge.str(kFirstPort, 1, 1);
  const auto start = steady_clock::now();
  SluiceProcess process(config, engine);
  const nanoseconds took = steady_clock::now() - start;
  const nanoseconds ran = thread_time(process.pid(), process.pid()).ran;
  std::printf("%s, %llu listeners, %llu services of 100 endpoints: start %.0f ms, %.0f at work\n",
              engine.c_str(), static_cast<unsigned long long>(huge.listeners),
              static_cast<unsigned long long>(huge.services), ms(took), ms(ran));
  {
    Pinger pinger(process.pid());
    const std::string moved = huge.str(kFirstPort + huge.listeners, 2, 101);
    // On a busy machine the same work takes more of a CPU's time.
    bool in_time = false;
    for (int attempt = 0; attempt < (is_timed() ? 3 : 1) && !in_time; ++attempt) {
      in_time = reload_in_time(process, pinger, ran, "nothing changed", config);
      in_time &= reload_in_time(process, pinger, ran, "all weights", huge.str(kFirstPort, 2, 1));
      in_time &=
          reload_in_time(process, pinger, ran, "all endpoints", huge.str(kFirstPort, 2, 101));
      in_time &= reload_in_time(process, pinger, ran, "all listeners", moved);
      in_time &= reload_in_time(process, pinger, ran, "and back", config);
    }
    if (is_timed()) CHECK(in_time);
  }
  CHECK(process.log().count("listener not bound") == 0);
  process.send_signal(SIGTERM);
  CHECK(process.wait_exit() == 0);
}

}  // namespace lb::test
