// Who is not served gets a RST, the record says why, and a failed connect goes to the next
// endpoint.
#include <algorithm>
#include <chrono>
#include <thread>

#include "test/support/balancer.h"
#include "test/support/blackhole.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/network_namespace.h"
#include "test/support/port_allocator.h"
#include "test/support/process_stats.h"
#include "test/support/scale.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// For what counts on each endpoint being asked.
const std::string kInTurn = "loadBalancer.type = \"RoundRobin\"\n";

milliseconds since(steady_clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
}

net::Address dead_address() { return ip_address("127.0.0.1", allocate_port()); }

// How many of `count` connections are served; the others must be refused by a RST.
int count_served(const net::Address& address, int count) {
  int served_count = 0;
  for (int i = 0; i < count; ++i) served_count += served(address) ? 1 : 0;
  return served_count;
}

}  // namespace

TEST_CASE("a listener without a route refuses") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  const uint16_t port = allocate_port();
  const uint16_t unrouted = allocate_port();
  ConfigText config = one_service(port, {backend.address()});
  SluiceProcess process(config.listener("spare", unrouted).str(), engine);
  CHECK_NOTHROW(expect_refused(ip_address("127.0.0.1", unrouted)));
  CHECK_NOTHROW(expect_refused(ip_address("::1", unrouted)));
  CHECK(served(ip_address("127.0.0.1", port)));
  process.stop();
}

TEST_CASE("a backendRef that leads nowhere refuses, and the record says why") {
  const auto engine = SLUICE_EACH_ENGINE();
  const uint16_t port = allocate_port();
  ConfigText config;
  config.listener("main", port);
  std::string word;
  SECTION("a service that is missing") {
    config.route("main", {{.service = "missing"}});
    word = "no_backend";
  }
  SECTION("a service without an endpoint") {
    config.service("empty", {}).route("main", {{.service = "empty"}});
    word = "no_backend";
  }
  SECTION("all weights zero") {
    config.service("web", {dead_address()}).route("main", {{.service = "web", .weight = 0}});
    word = "all_weights_zero";
  }
  SECTION("a dead port") {
    config.service("web", {dead_address()}).route("main", {{.service = "web"}});
    word = "connect_refused";
  }
  INFO(engine << ", " << word);
  SluiceProcess process(config.str(), engine);
  CHECK_NOTHROW(expect_refused(ip_address("127.0.0.1", port)));
  const AccessRecord record = process.wait_records(1).front();
  INFO(record.line());
  CHECK(record.close_word() == word);
  CHECK(record.close_place() == (word == "connect_refused" ? "connect" : "accept"));
  CHECK(record.number("bytes_in") == 0);
  CHECK(record.number("bytes_out") == 0);
  process.stop();
}

TEST_CASE("all endpoints down: refused at once, by RST, without spinning") {
  const auto engine = SLUICE_EACH_ENGINE();
  Balancer balancer(engine, {dead_address(), dead_address()});
  std::vector<milliseconds> times;
  for (int i = 0; i < 100; ++i) {
    const auto start = steady_clock::now();
    REQUIRE_NOTHROW(expect_refused(balancer.address()));
    times.push_back(since(start));
  }
  std::nth_element(times.begin(), times.begin() + 50, times.end());
  CHECK(times[50] <= patience(milliseconds(100)));
  const auto records = balancer.process().wait_records(100);
  for (const AccessRecord& record : records) {
    INFO(record.line());
    REQUIRE(record.text("close") == "connect_refused@connect");
  }
  const milliseconds before = cpu_time(balancer.process().pid());
  std::this_thread::sleep_for(milliseconds(1000));
  CHECK(cpu_time(balancer.process().pid()) - before <= milliseconds(50));
  balancer.process().stop();
}

TEST_CASE("a backend that does not answer is given up after connectTimeout") {
  const auto engine = SLUICE_EACH_ENGINE();
  const Blackhole blackhole;
  Balancer balancer(engine, {blackhole.address()},
                    {.service = "timeout.tcp.connectTimeout = \"500ms\"\nretry.maxAttempts = 1"});
  const auto start = steady_clock::now();
  CHECK_NOTHROW(expect_refused(balancer.address()));
  CHECK(since(start) >= milliseconds(450));
  CHECK(since(start) < patience(milliseconds(900)));
  const AccessRecord record = balancer.process().wait_records(1).front();
  INFO(record.line());
  CHECK(record.text("close") == "connect_timeout@connect");
  CHECK(record.number("attempts") == 1);
  balancer.process().stop();
}

TEST_CASE("after connectTimeout the next endpoint is tried") {
  const auto engine = SLUICE_EACH_ENGINE();
  const Blackhole blackhole;
  TcpBackend backend(echo);
  Balancer balancer(engine, {blackhole.address(), backend.address()},
                    {.service = "timeout.tcp.connectTimeout = \"300ms\"\n" + kInTurn});
  for (int i = 0; i < 4; ++i) CHECK(served(balancer.address()));
  bool retried = false;
  for (const AccessRecord& record : balancer.process().wait_records(4)) {
    CHECK(record.text("endpoint") == backend.address().to_string());
    retried |= record.number("attempts") == 2;
  }
  CHECK(retried);
  balancer.process().stop();
}

TEST_CASE("a client that leaves during the connect is let go") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool by_reset = GENERATE(true, false);
  INFO(engine << (by_reset ? ", RST" : ", close"));
  const Blackhole blackhole;
  Balancer balancer(engine, {blackhole.address()},
                    {.service = by_reset ? "timeout.tcp.connectTimeout = \"30s\""
                                         : "timeout.tcp.connectTimeout = \"2s\""});
  std::vector<Socket> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(balancer.connect());
  std::this_thread::sleep_for(milliseconds(50));
  for (Socket& client : clients) by_reset ? client.reset() : client.close();
  // A RST is noticed long before the connect times out. A FIN alone may come from a client that
  // still wants its answer, so that connection may stay until then.
  const auto start = steady_clock::now();
  CHECK(eventually(
      [&] { return open_fd_count(balancer.process().pid()) <= balancer.process().fds_at_ready(); },
      milliseconds(10'000)));
  if (by_reset) {
    CHECK(since(start) < patience(milliseconds(2000)));
    for (const AccessRecord& record : balancer.process().wait_records(20)) {
      INFO(record.line());
      REQUIRE(record.text("close") == "client_reset@connect");
    }
  }
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("an unreachable backend is passed over at once") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto space = NetworkNamespace::enter();
  if (space == nullptr) return;
  space->ip("route add unreachable 10.9.9.9/32");
  TcpBackend backend(echo);
  Balancer balancer(engine, {ip_address("10.9.9.9", 80), backend.address()});
  const auto start = steady_clock::now();
  for (int i = 0; i < 20; ++i) CHECK(served(balancer.address()));
  CHECK(since(start) < patience(milliseconds(2000)));
  Balancer alone(engine, {ip_address("10.9.9.9", 80)});
  CHECK_NOTHROW(expect_refused(alone.address()));
  const AccessRecord record = alone.process().wait_records(1).front();
  INFO(record.line());
  CHECK(record.text("close") == "connect_failed@connect");
  alone.process().stop();
  balancer.process().stop();
}

TEST_CASE("a host that turns out to be unreachable later is passed over then") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto space = NetworkNamespace::enter();
  if (space == nullptr) return;
  // Nobody answers for 10.77.0.2, so the connect fails once the neighbour discovery gives up.
  space->ip("link add sluice0 type veth peer name sluice1");
  space->ip("addr add 10.77.0.1/24 dev sluice0");
  space->ip("link set sluice0 up");
  space->ip("link set sluice1 up");
  TcpBackend backend(echo);
  Balancer balancer(engine, {ip_address("10.77.0.2", 80), backend.address()},
                    {.service = "timeout.tcp.connectTimeout = \"10s\"\n" + kInTurn});
  for (int i = 0; i < 2; ++i) CHECK(served(balancer.address()));
  balancer.process().stop();
}

TEST_CASE("a refused endpoint's connections go to the next, with what the client sent already") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  Balancer balancer(engine, {dead_address(), backend.address()});
  for (int i = 0; i < 100; ++i) {
    Socket client = balancer.connect();
    REQUIRE_NOTHROW(expect_echo(client, "sent before any backend is there"));
  }
  CHECK(backend.accepted() == 100);
  bool retried = false;
  for (const AccessRecord& record : balancer.process().wait_records(100)) {
    REQUIRE(record.text("endpoint") == backend.address().to_string());
    retried |= record.number("attempts") == 2;
  }
  CHECK(retried);
  balancer.process().stop();
}

TEST_CASE("retries stay within maxAttempts") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  Balancer balancer(engine, {dead_address(), backend.address()},
                    {.service = "retry.maxAttempts = 1\n" + kInTurn});
  const int served_count = count_served(balancer.address(), 20);
  CHECK(served_count > 0);
  CHECK(served_count < 20);
  for (const AccessRecord& record : balancer.process().wait_records(20)) {
    REQUIRE(record.number("attempts") == 1);
  }
  balancer.process().stop();
}

TEST_CASE("weights share connections, and zero gets none") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend seventy(echo);
  TcpBackend thirty(echo);
  TcpBackend none(echo);
  const uint16_t port = allocate_port();
  ConfigText config;
  config.runtime("workers = 2")
      .listener("main", port)
      .service("a", {seventy.address()})
      .service("b", {thirty.address()})
      .service("c", {none.address()})
      .route("main", {{"a", 70}, {"b", 30}, {"c", 0}});
  SluiceProcess process(config.str(), engine);
  CHECK(count_served(ip_address("127.0.0.1", port), 500) == 500);
  CHECK(std::abs(seventy.accepted() - 350) <= 10);
  CHECK(std::abs(thirty.accepted() - 150) <= 10);
  CHECK(none.accepted() == 0);
  process.stop();
}

TEST_CASE("a dead backendRef refuses its share, which is not spread over the others") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool missing = GENERATE(true, false);
  INFO(engine << (missing ? ", missing service" : ", dead port"));
  TcpBackend alive(echo);
  const uint16_t port = allocate_port();
  ConfigText config;
  config.runtime("workers = 2").listener("main", port).service("alive", {alive.address()});
  if (!missing) config.service("dead", {dead_address()});
  config.route("main", {{"dead", 80}, {"alive", 20}});
  SluiceProcess process(config.str(), engine);
  const int served_count = count_served(ip_address("127.0.0.1", port), 500);
  CHECK(std::abs(served_count - 100) <= 10);
  process.stop();
}

TEST_CASE("endpoints share the connections of their service by weight") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend one(echo);
  TcpBackend three(echo);
  const uint16_t port = allocate_port();
  ConfigText config;
  config.runtime("workers = 1").listener("main", port).route("main", {{.service = "web"}});
  config.append(
      "\n[[services]]\nname = \"web\"\nports = [{ port = 80 }]\nendpoints = [\n"
      "{ address = \"127.0.0.1\", port = " +
      std::to_string(one.port()) +
      " },\n"
      "{ address = \"127.0.0.1\", weight = 3, port = " +
      std::to_string(three.port()) + " },\n]\n" + kInTurn);
  SluiceProcess process(config.str(), engine);
  CHECK(count_served(ip_address("127.0.0.1", port), 200) == 200);
  CHECK(std::abs(one.accepted() - 50) <= 10);
  process.stop();
}

}  // namespace lb::test
