// Start, drain, sudden death, and which engine is taken.
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <regex>
#include <thread>

#include "test/support/balancer.h"
#include "test/support/blackhole.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/port_allocator.h"
#include "test/support/process_stats.h"
#include "test/support/scale.h"
#include "test/support/seccomp_filter.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

milliseconds since(steady_clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
}

bool refuses(const net::Address& address) {
  int error = 0;
  Socket socket = Socket::try_connect(address, {}, error);
  return error == ECONNREFUSED;
}

std::string thread_state(pid_t pid) {
  const CommandResult result = run_command(
      {.argv = {"sh", "-c", "cut -d' ' -f3 /proc/" + std::to_string(pid) + "/task/*/stat"}});
  return result.out;
}

}  // namespace

TEST_CASE("SIGTERM: no new clients, the old ones finish, exit 0") {
  const auto engine = SLUICE_EACH_ENGINE();
  const int signal = GENERATE(SIGTERM, SIGINT);
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()});
  std::vector<Socket> held;
  for (int i = 0; i < 100; ++i) held.push_back(balancer.connect_echo());
  Socket streaming = balancer.connect();
  ByteStream out(1);
  ByteStream back(1);
  const uint64_t half_bytes = scaled(10 << 20, 1 << 20);
  const auto stream_half = [&] {
    std::thread sender([&] { streaming.send_stream(out, half_bytes); });
    streaming.recv_stream(back, half_bytes);
    sender.join();
  };
  CHECK_NOTHROW(stream_half());

  balancer.process().send_signal(signal);
  CHECK(eventually([&] { return refuses(balancer.address()); }));
  CHECK_NOTHROW(stream_half());
  for (Socket& client : held) {
    REQUIRE_NOTHROW(expect_echo(client, "after the signal"));
    client.finish();
    REQUIRE_NOTHROW(client.expect_fin());
  }
  streaming.finish();
  CHECK_NOTHROW(streaming.expect_fin());
  CHECK(balancer.process().wait_exit() == 0);
  CHECK_NOTHROW(backend.wait_finished(101));
}

TEST_CASE("SIGTERM: clients that wait in the accept queue are served") {
  const auto engine = SLUICE_EACH_ENGINE();
  raise_open_file_limit();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()}, {.runtime = "workers = 1"});
  // Stopped, the process accepts nobody; the kernel completes the handshakes all the same.
  balancer.process().send_signal(SIGSTOP);
  REQUIRE(eventually([&] {
    const std::string states = thread_state(balancer.process().pid());
    return states.find_first_not_of("T\n") == std::string::npos;
  }));
  std::vector<Socket> clients;
  // More than are accepted in one turn.
  const uint64_t count = scaled(2000, 500);
  for (uint64_t i = 0; i < count; ++i) {
    clients.push_back(balancer.connect());
    clients.back().send("queued");
  }
  balancer.process().send_signal(SIGTERM);
  balancer.process().send_signal(SIGCONT);
  for (Socket& client : clients) {
    REQUIRE_NOTHROW(client.recv_exactly(6));
    client.finish();
    REQUIRE_NOTHROW(client.expect_fin());
  }
  CHECK(balancer.process().wait_exit() == 0);
}

TEST_CASE("SIGTERM: what is left at shutdownTimeout is reset") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  const Blackhole blackhole;
  const bool relayed = GENERATE(true, false);
  Balancer balancer(engine, {relayed ? backend.address() : blackhole.address()},
                    {.runtime = "shutdownTimeout = \"1s\""});
  Socket client = relayed ? balancer.connect_echo() : balancer.connect();
  balancer.process().send_signal(SIGTERM);
  const auto start = steady_clock::now();
  CHECK_NOTHROW(client.expect_reset());
  CHECK(since(start) > milliseconds(800));
  CHECK(balancer.process().wait_exit() == 0);
  CHECK(since(start) < patience(milliseconds(3000)));
  const auto records = balancer.process().records();
  REQUIRE(records.size() == 1);
  CHECK(records.front().text("close") == (relayed ? "drained@data" : "drained@connect"));
}

TEST_CASE("a second SIGTERM leaves at once, with exit code 0") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()});
  Socket client = balancer.connect_echo();
  balancer.process().send_signal(SIGTERM);
  REQUIRE(eventually([&] { return refuses(balancer.address()); }));
  CHECK(balancer.process().process().running());
  const auto start = steady_clock::now();
  balancer.process().send_signal(SIGTERM);
  CHECK(balancer.process().wait_exit() == 0);
  CHECK(since(start) < patience(milliseconds(1000)));
}

TEST_CASE("SIGTERM without a connection ends at once") {
  const auto engine = SLUICE_EACH_ENGINE();
  Balancer balancer(engine, {ip_address("127.0.0.1", allocate_port())});
  const auto start = steady_clock::now();
  balancer.process().send_signal(SIGTERM);
  CHECK(balancer.process().wait_exit() == 0);
  CHECK(since(start) < patience(milliseconds(1000)));
}

TEST_CASE("a reload that waits for its turn when SIGTERM comes is dropped") {
  const auto engine = SLUICE_EACH_ENGINE();
  for (int i = 0; i < 5; ++i) {
    ConfigText config = one_service(allocate_port(), {ip_address("127.0.0.1", 9)});
    const std::string without = config.str();
    SluiceProcess process(config.listener("other", allocate_port()).str(), engine);
    // Taking a listener away waits 100 ms for clients of its queue, and a reload with it.
    process.write_config(without);
    for (const int signal : {SIGHUP, SIGHUP, SIGTERM}) {
      process.send_signal(signal);
      std::this_thread::sleep_for(std::chrono::milliseconds(2 << i));
    }
    CHECK(process.wait_exit() == 0);
  }
}

TEST_CASE("after kill -9 the next process binds the same port at once") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  const uint16_t port = allocate_port();
  const net::Address address = ip_address("127.0.0.1", port);
  const std::string config = one_service(port, {backend.address()}).str();
  std::vector<Socket> clients;
  for (int round = 0; round < 3; ++round) {
    SluiceProcess process(config, engine);
    for (int i = 0; i < 20; ++i) {
      clients.push_back(Socket::connect(address));
      REQUIRE_NOTHROW(expect_echo(clients.back(), "x"));
    }
    process.send_signal(SIGKILL);
    CHECK(process.wait_exit() == 128 + SIGKILL);
  }
  // The old connections linger in the kernel; that must not matter.
  SluiceProcess process(config, engine);
  const auto start = steady_clock::now();
  CHECK(served(address));
  CHECK(since(start) < patience(milliseconds(100)));
  process.stop();
}

TEST_CASE("the process starts no other process, and one worker for each CPU it may use") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  SluiceOptions one_cpu;
  one_cpu.before_exec = [] {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    ::sched_setaffinity(0, sizeof(cpus), &cpus);
  };
  Balancer balancer(engine, {backend.address()}, {.process = one_cpu});
  CHECK(children_of(balancer.process().pid()).empty());
  for (int i = 0; i < 10; ++i) CHECK(served(balancer.address()));
  balancer.process().stop();
}

TEST_CASE("an unprivileged user runs it as well") {
  const auto engine = SLUICE_EACH_ENGINE();
  if (::getuid() != 0) return;  // then every other test says so
  TcpBackend backend(echo);
  SluiceOptions nobody;
  nobody.before_exec = [] {
    constexpr uid_t kNobody = 65534;
    if (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) {
      ::_exit(126);
    }
  };
  Balancer balancer(engine, {backend.address()}, {.process = nobody});
  CHECK(served(balancer.address()));
  CHECK(balancer.process().wait_records(1).front().text("engine") == engine);
  balancer.process().stop();
}

TEST_CASE("where io_uring is denied, auto takes epoll and says so once") {
  const int error = GENERATE(EPERM, ENOSYS, ENOMEM);
  INFO("errno " << error);
  TcpBackend backend(echo);
  Balancer balancer("auto", {backend.address()},
                    {.process = {.before_exec = [=] { deny_io_uring(error); }}});
  CHECK(served(balancer.address()));
  CHECK(balancer.process().wait_records(1).front().text("engine") == "epoll");
  int engine_lines = 0;
  for (const std::string& line : balancer.process().log().lines()) {
    const bool is_record = AccessRecord::parse(line).has_value();
    if (!is_record && line.find("io_uring") != std::string::npos) ++engine_lines;
  }
  CHECK(engine_lines == 1);
  balancer.process().stop();
}

TEST_CASE("where io_uring is denied, asking for it fails with a clear message") {
  const int error = GENERATE(EPERM, ENOSYS);
  SluiceProcess process(
      one_service(allocate_port(), {ip_address("127.0.0.1", 9)}).str(),
      {.engine = "io_uring", .before_exec = [=] { deny_io_uring(error); }, .wait_ready = false});
  CHECK(process.wait_exit() == 1);
  INFO(process.log().text());
  CHECK(process.log().count("io_uring") >= 1);
  CHECK(process.log().count("msg=ready") == 0);
}

TEST_CASE("auto takes io_uring where the kernel has it, and says what it took") {
  const std::vector<std::string> names = engines();
  if (std::find(names.begin(), names.end(), "io_uring") == names.end()) return;
  TcpBackend backend(echo);
  Balancer balancer("auto", {backend.address()});
  CHECK(served(balancer.address()));
  CHECK(balancer.process().wait_records(1).front().text("engine") == "io_uring");
  CHECK(balancer.process().log().count("engine") >= 1);
  balancer.process().stop();
}

TEST_CASE("a port that is taken is a fault of its listener only") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend taken(echo);
  TcpBackend backend(echo);
  const uint16_t port = allocate_port();
  ConfigText config;
  config.addresses({"127.0.0.1"})
      .listener("main", port)
      .listener("taken", taken.port())
      .service("web", {backend.address()})
      .route("main", {{.service = "web"}})
      .route("taken", {{.service = "web"}});
  SluiceProcess process(config.str(), engine);
  CHECK(served(ip_address("127.0.0.1", port)));
  CHECK(process.log().count(std::to_string(taken.port())) >= 1);
  process.stop();
}

}  // namespace lb::test
