// Active health checks of the real process: what comes of them, when they take place, and that
// neither a start nor a reload suffers from them.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "lb/util/clock.h"
#include "test/support/admin_client.h"
#include "test/support/balancer.h"
#include "test/support/blackhole.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/port_allocator.h"
#include "test/support/seccomp_filter.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;

std::string check(const std::string& rest) {
  return "healthCheck.active = { type = \"TCP\", interval = \"100ms\", " + rest + " }";
}

std::string labels(const net::Address& endpoint, const std::string& service = "web") {
  return fmt::format("service=\"{}\",endpoint=\"{}\"", service, endpoint.to_string());
}

bool is_healthy(const SluiceProcess& process, const net::Address& endpoint,
                const std::string& service = "web") {
  return metrics_of(process).at("sluice_endpoint_healthy{" + labels(endpoint, service) + "}") == 1;
}

double checks(const SluiceProcess& process, const net::Address& endpoint, const std::string& result,
              const std::string& service = "web") {
  return metrics_of(process).at("sluice_health_checks_total{" + labels(endpoint, service) +
                                ",result=\"" + result + "\"}");
}

// Checks come and go, so that there is no number of descriptors to come back to.
void end(SluiceProcess& process) {
  process.send_signal(SIGTERM);
  CHECK(process.wait_exit() == 0);
}

}  // namespace

TEST_CASE("a backend that comes and goes is down and up as often, and the log says why") {
  const auto engine = SLUICE_EACH_ENGINE();
  std::optional<TcpBackend> backend(std::in_place, echo);
  const net::Address address = backend->address();
  const uint16_t port = allocate_port();
  SluiceProcess process(
      one_service(port, {address}, "", check("unhealthyThreshold = 2, healthyThreshold = 2")).str(),
      engine);
  CHECK(is_healthy(process, address));
  CHECK(served(ip_address("127.0.0.1", port)));
  const auto rounds = static_cast<int>(scaled(5, 3));
  for (int round = 1; round <= rounds; ++round) {
    backend.reset();
    REQUIRE(eventually([&] { return !is_healthy(process, address); }, 20s));
    backend.emplace(echo, address);
    REQUIRE(eventually([&] { return is_healthy(process, address); }, 20s));
    CHECK(process.log().wait_count("msg=\"endpoint down\"", round) == round);
    CHECK(process.log().wait_count("msg=\"endpoint up\"", round) == round);
  }
  CHECK(served(ip_address("127.0.0.1", port)));
  CHECK(process.log().wait_count("why=\"connect: Connection refused\"", rounds) == rounds);
  CHECK(checks(process, address, "failure") >= 2 * rounds);
  CHECK(checks(process, address, "success") >= 2 * rounds);
  const nlohmann::json endpoint = status_of(process).at("services").at(0).at("endpoints").at(0);
  CHECK(endpoint.at("healthy") == true);
  end(process);
}

TEST_CASE("an endpoint of a family that the host does not have is told to be down") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  const net::Address other_family = ip_address("::1", allocate_port());
  Balancer balancer(engine, {other_family, backend.address()},
                    {.service = check("timeout = \"10m\", unhealthyThreshold = 1"),
                     .process = {.before_exec = [] { deny_sockets(AF_INET6, EAFNOSUPPORT); }}});
  SluiceProcess& process = balancer.process();
  CHECK(eventually([&] { return checks(process, other_family, "failure") >= 1; }, 20s));
  CHECK(process.log().wait_count("why=\"socket: Address family not supported by protocol\"", 1) ==
        1);
  CHECK(served(balancer.address()));
  end(process);
}

TEST_CASE("a backend that accepts and never answers is not up") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend mute(hold);
  TcpBackend wrong([](Socket& socket) {
    socket.send("-NOAUTH\r\n");
    hold(socket);
  });
  TcpBackend right([](Socket& socket) {
    socket.recv_exactly(6);
    // In pieces, and with something else before and between them.
    for (const char* const piece : {"hello +P", "ONG\r", "\n... d", "one"}) socket.send(piece);
    hold(socket);
  });
  Balancer balancer(
      engine, {mute.address(), wrong.address(), right.address()},
      {.service = check("timeout = \"300ms\", unhealthyThreshold = 1, "
                        "tcp = { send = \"PING\\r\\n\", receive = [\"+PONG\", \"done\"] }")});
  SluiceProcess& process = balancer.process();
  CHECK(eventually([&] { return is_healthy(process, right.address()); }, 20s));
  CHECK(eventually([&] { return checks(process, mute.address(), "timeout") >= 3; }, 20s));
  CHECK(eventually([&] { return checks(process, wrong.address(), "timeout") >= 3; }, 20s));
  CHECK(!is_healthy(process, mute.address()));
  CHECK(!is_healthy(process, wrong.address()));
  CHECK(checks(process, mute.address(), "success") == 0);
  CHECK(
      process.log().wait_for_line(R"(timeout after 300 ms: expected \"+PONG\", got nothing)", 5s));
  CHECK(process.log().wait_for_line(
      R"(timeout after 300 ms: expected \"+PONG\", got \"-NOAUTH\\r\\n\")", 5s));
  end(process);
}

namespace {

// One listener for all addresses of 127/8, that remembers when somebody came.
class Arrivals {
 public:
  Arrivals() : port_(allocate_port()), listener_(listen_on(ip_address("0.0.0.0", port_))) {
    thread_ = std::thread([this] { run(); });
  }
  ~Arrivals() {
    is_over_ = true;
    thread_.join();
  }

  net::Address address(size_t n) const {
    return ip_address(fmt::format("127.1.{}.{}", n / 250, 1 + n % 250), port_);
  }
  std::vector<int64_t> times_ms() const {
    const std::lock_guard lock(mutex_);
    return times_ms_;
  }

 private:
  void run() {
    while (!is_over_) {
      pollfd query = {listener_.get(), POLLIN, 0};
      ::poll(&query, 1, 20);
      while (true) {
        const net::UniqueFd fd(::accept(listener_.get(), nullptr, nullptr));
        if (!fd.is_open()) break;
        const std::lock_guard lock(mutex_);
        times_ms_.push_back(util::mono_now_ms());
      }
    }
  }

  const uint16_t port_;
  net::UniqueFd listener_;
  std::atomic<bool> is_over_ = false;
  mutable std::mutex mutex_;  // guards times_ms_
  std::vector<int64_t> times_ms_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("500 endpoints every 3 s come one after the other, at a start and after a reload") {
  const auto engine = SLUICE_EACH_ENGINE();
  const Arrivals arrivals;
  std::vector<net::Address> endpoints;
  for (size_t i = 0; i < 500; ++i) endpoints.push_back(arrivals.address(i));
  const std::string config =
      one_service(allocate_port(), endpoints, "", "healthCheck.active = { type = \"TCP\" }").str();
  SluiceProcess process(config, engine);
  CHECK(arrivals.times_ms().size() >= 500);
  for (const net::Address& endpoint : {endpoints.front(), endpoints.back()}) {
    CHECK(is_healthy(process, endpoint));
  }
  CHECK(process.command({"reload", "--wait"}).code == 0);
  REQUIRE(eventually([&] { return arrivals.times_ms().size() >= 2200; }, 60s));
  const std::vector<int64_t> times_ms = arrivals.times_ms();
  std::set<int64_t> first_bins;
  std::set<int64_t> later_bins;
  for (size_t i = 0; i < 2200; ++i) {
    (i < 500 ? first_bins : later_bins).insert(times_ms[i] / 10);
  }
  // The first round takes 50 bins of 10 ms, one a millisecond. Later there are 20 in every twelfth
  // bin on average, so that 1700 arrivals touch 85 of them; a herd would touch a few. A machine
  // that stalls merges bins, hence less than half of it.
  CHECK(first_bins.size() >= 15);
  CHECK(later_bins.size() >= 40);
  end(process);
}

TEST_CASE("services that ask the same thing of one address share a check") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  const std::string same = check("timeout = \"5s\"");
  SluiceProcess process(one_service(allocate_port(), {backend.address()}, "", same)
                            .service("other", {backend.address()}, same)
                            .listener("second", allocate_port())
                            .route("second", {{.service = "other"}})
                            .str(),
                        engine);
  REQUIRE(eventually([&] { return checks(process, backend.address(), "success") >= 10; }, 30s));
  CHECK(is_healthy(process, backend.address()));
  CHECK(is_healthy(process, backend.address(), "other"));
  // Asked for first, so that no check can end in between uncounted.
  const int accepted = backend.accepted();
  CHECK(checks(process, backend.address(), "success") >= accepted - 1);
  CHECK(checks(process, backend.address(), "success", "other") >= accepted - 1);
  end(process);
}

TEST_CASE("a check has a port of its own, and unix sockets are checked as well") {
  const auto engine = SLUICE_EACH_ENGINE();
  const TempDir dir;
  TcpBackend web(echo);
  TcpBackend health(echo);
  TcpBackend local(echo, unix_address(dir.path("s")));
  const net::Address gone = unix_address(dir.path("gone"));
  SluiceProcess process(one_service(allocate_port(), {web.address()}, "",
                                    check(fmt::format("port = {}", health.port())))
                            .service("local", {local.address(), gone}, check("timeout = \"1s\""))
                            .listener("second", allocate_port())
                            .route("second", {{.service = "local"}})
                            .str(),
                        engine);
  CHECK(is_healthy(process, web.address()));
  CHECK(is_healthy(process, local.address(), "local"));
  CHECK(!is_healthy(process, gone, "local"));
  CHECK(health.accepted() > 0);
  CHECK(web.accepted() == 0);
  CHECK(process.log().wait_for_line("connect: No such file or directory", 5s));
  end(process);
}

TEST_CASE("a start is not held up by a backend that does not answer, for longer than a timeout") {
  const auto engine = SLUICE_EACH_ENGINE();
  const Blackhole hole;
  TcpBackend backend(echo);
  const uint16_t port = allocate_port();
  const auto begun = std::chrono::steady_clock::now();
  SluiceProcess process(
      one_service(port, {backend.address(), hole.address()}, "", check("timeout = \"700ms\""))
          .str(),
      engine);
  CHECK(std::chrono::steady_clock::now() - begun >= 700ms);
  CHECK(is_healthy(process, backend.address()));
  CHECK(!is_healthy(process, hole.address()));
  // And what has not been seen to be up gets nobody.
  for (int i = 0; i < 10; ++i) CHECK(served(ip_address("127.0.0.1", port)));
  end(process);
}

TEST_CASE("a process that waits for its first results ends when it is told to") {
  const auto engine = SLUICE_EACH_ENGINE();
  const Blackhole hole;
  SluiceProcess process(one_service(allocate_port(), {hole.address()}, "",
                                    "healthCheck.active = { type = \"TCP\", timeout = \"300s\" }")
                            .str(),
                        SluiceOptions{.engine = engine, .wait_ready = false});
  REQUIRE(process.log().wait_for_line("msg=engine", 20s));
  process.send_signal(SIGHUP);
  process.send_signal(SIGTERM);
  CHECK(process.wait_exit() == 0);
  CHECK(process.log().count("msg=ready") == 0);
}

TEST_CASE("who asks while a start waits for its first results is answered, and heard") {
  const auto engine = SLUICE_EACH_ENGINE();
  const Blackhole hole;
  SluiceProcess process(one_service(allocate_port(), {hole.address()}, "",
                                    "loadBalancer.type = \"ConsistentHash\"\n"
                                    "healthCheck.active = { type = \"TCP\", timeout = \"300s\" }")
                            .str(),
                        SluiceOptions{.engine = engine, .wait_ready = false});
  REQUIRE(process.log().wait_for_line("msg=engine", 20s));
  REQUIRE(eventually([&] { return ask(process, "/live").status == 200; }, 20s));
  CHECK(status_of(process).at("notReady") == "starting");
  CHECK(status_of(process).at("services").at(0).at("endpoints").at(0).at("healthy") == false);
  CHECK(!is_healthy(process, hole.address()));
  CHECK(ask(process, "/").status == 200);
  CHECK(command(process, {"lookup", "web", "10.0.0.1"}).out == "none is left\n");
  CHECK(command(process, {"diff", "--config", process.config_path()}).code == 0);
  CHECK(command(process, {"endpoint", "web", hole.address().to_string(), "drain"}).code == 0);
  CHECK(status_of(process).at("services").at(0).at("endpoints").at(0).at("override") == "drain");
  process.send_signal(SIGTERM);
  CHECK(process.wait_exit() == 0);
}

TEST_CASE("a reload keeps what is known, checks what is new, and cures what is not checked") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend up(echo);
  TcpBackend added(echo);
  const net::Address down = ip_address("127.0.0.1", allocate_port());
  const uint16_t port = allocate_port();
  const std::string checked = check("timeout = \"5s\", unhealthyThreshold = 1");
  SluiceProcess process(one_service(port, {up.address(), down}, "", checked).str(), engine);
  REQUIRE(eventually([&] { return checks(process, down, "failure") >= 3; }, 20s));
  const double failures = checks(process, down, "failure");
  process.write_config(one_service(port, {up.address(), down, added.address()}, "", checked).str());
  for (int i = 0; i < 3; ++i) {
    CHECK(process.command({"reload", "--wait"}).code == 0);
    CHECK(!is_healthy(process, down));
    CHECK(is_healthy(process, up.address()));
  }
  CHECK(checks(process, down, "failure") >= failures);
  CHECK(process.log().wait_count("msg=\"endpoint down\"", 1) == 1);
  CHECK(eventually([&] { return is_healthy(process, added.address()); }, 20s));
  process.write_config(one_service(port, {up.address(), down}).str());
  CHECK(process.command({"reload", "--wait"}).code == 0);
  CHECK(is_healthy(process, down));
  CHECK(process.log().wait_for_line("not checked any more", 5s));
  // With all endpoints replaced at once, nobody is refused for want of a result.
  process.write_config(one_service(port, {added.address()}, "", checked).str());
  CHECK(process.command({"reload", "--wait"}).code == 0);
  CHECK(is_healthy(process, added.address()));
  CHECK(served(ip_address("127.0.0.1", port)));
  end(process);
}

TEST_CASE("a drain ends the checks") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()}, {.service = check("timeout = \"5s\"")});
  Socket client = balancer.connect_echo();
  balancer.process().send_signal(SIGTERM);
  REQUIRE(balancer.process().log().wait_for_line("msg=draining", 10s));
  // One may be on its way; after it there is silence, for several intervals.
  CHECK(eventually([&] {
    const int accepted = backend.accepted();
    std::this_thread::sleep_for(500ms);
    return backend.accepted() == accepted;
  }));
  expect_echo(client, "still here");
  client.close();
  CHECK(balancer.process().wait_exit() == 0);
}

TEST_CASE("the checks go on while a drain is announced") {
  const auto engine = SLUICE_EACH_ENGINE();
  std::optional<TcpBackend> backend(std::in_place, echo);
  const net::Address address = backend->address();
  Balancer balancer(engine, {address},
                    {.service = check("timeout = \"5s\""), .runtime = "announceGrace = \"1h\""});
  SluiceProcess& process = balancer.process();
  process.send_signal(SIGTERM);
  REQUIRE(process.log().wait_for_line("msg=draining", 10s));
  backend.reset();
  CHECK(process.log().wait_for_line("msg=\"endpoint down\"", 20s));
  backend.emplace(echo, address);
  CHECK(process.log().wait_for_line("msg=\"endpoint up\"", 20s));
  CHECK(served(balancer.address()));
  end(process);
}

}  // namespace lb::test
