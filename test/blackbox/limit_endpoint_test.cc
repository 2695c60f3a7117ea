// Endpoints and services that have as many connections as they may: exact over all workers, passed
// over or refused, and free again whatever ends a connection.
#include <fmt/format.h>
#include <sys/socket.h>

#include <map>
#include <string>
#include <vector>

#include "test/blackbox/crowd.h"
#include "test/support/admin_client.h"
#include "test/support/balancer.h"
#include "test/support/blackhole.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/port_allocator.h"
#include "test/support/scale.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

BalancerOptions two_workers(const std::string& service, const std::string& listener = {}) {
  return {.listener = listener, .service = service, .process = {.arguments = {"--workers", "2"}}};
}

double active(const SluiceProcess& process, const net::Address& endpoint) {
  return metrics_of(process).at(
      fmt::format("sluice_service_connections_active{{service=\"web\",endpoint=\"{}\"}}",
                  endpoint.to_string()));
}

// So many clients that stay; those that were refused are not among them.
std::vector<Socket> hold_clients(const net::Address& address, int count) {
  std::vector<Socket> held;
  for (int i = 0; i < count; ++i) {
    // A RST may come as early as that.
    int error = 0;
    Socket client = Socket::try_connect(address, {}, error);
    if (error != 0) continue;
    if (::send(client.fd(), "x", 1, MSG_NOSIGNAL) != 1) continue;
    // The echo, or the RST.
    try {
      client.recv_exactly(1);
    } catch (const Failure&) {
      continue;
    }
    held.push_back(std::move(client));
  }
  return held;
}

int count_closes(const SluiceProcess& process, size_t records, const std::string& close) {
  int count = 0;
  for (const AccessRecord& record : process.wait_records(records)) {
    count += record.text("close") == close ? 1 : 0;
  }
  return count;
}

}  // namespace

TEST_CASE("a full endpoint is passed over, and its own limit goes before the service's") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend three(echo);
  TcpBackend two(echo);
  const uint16_t port = allocate_port();
  ConfigText config;
  config.runtime("workers = 2").listener("main", port).route("main", {{.service = "web"}});
  config.append(
      fmt::format("\n[[services]]\nname = \"web\"\nports = [{{ port = 80 }}]\n"
                  "circuitBreaker.perEndpoint.maxConnections = 2\nendpoints = [\n"
                  "{{ address = \"127.0.0.1\", port = {}, maxConnections = 3 }},\n"
                  "{{ address = \"127.0.0.1\", port = {} }},\n]\n",
                  three.port(), two.port()));
  SluiceProcess process(config.str(), engine);
  const std::vector<Socket> held = hold_clients(ip_address("127.0.0.1", port), 10);
  CHECK(held.size() == 5);
  CHECK(active(process, three.address()) == 3);
  CHECK(active(process, two.address()) == 2);
  for (const AccessRecord& record : process.wait_records(5)) {
    INFO(record.line());
    CHECK(record.text("close") == "limit_endpoint@connect");
    CHECK(record.number("attempts") == 0);
  }
  CHECK(metrics_of(process).at(
            "sluice_connection_closes_total{service=\"web\",reason=\"limit_endpoint\"}") == 5);
}

TEST_CASE("a service has no more connections than it may, on however many endpoints") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend one(echo);
  TcpBackend other(echo);
  Balancer balancer(engine, {one.address(), other.address()},
                    two_workers("circuitBreaker.maxConnections = 3"));
  std::vector<Socket> held = hold_clients(balancer.address(), 8);
  CHECK(held.size() == 3);
  CHECK(count_closes(balancer.process(), 5, "limit_endpoint@connect") == 5);
  held.pop_back();
  CHECK(eventually([&] { return served(balancer.address()); }));
  held.clear();
  balancer.process().stop();
}

TEST_CASE("whatever ends a connection makes room for another") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool is_of_service = GENERATE(true, false);
  // Ends on the word of its client.
  TcpBackend backend([](Socket& socket) {
    for (;;) {
      const std::string said = socket.recv_some(1);
      if (said.empty()) return socket.finish();
      if (said == "R") return socket.reset();
      if (said == "F") {
        socket.finish();
        return socket.expect_fin();
      }
      socket.send(said);
    }
  });
  const std::string limit = is_of_service ? "circuitBreaker.maxConnections = 1"
                                          : "circuitBreaker.perEndpoint.maxConnections = 1";
  Balancer balancer(engine, {backend.address()},
                    two_workers(limit,
                                "timeout.tcp.idleTimeout = \"1s\", "
                                "timeout.tcp.halfCloseTimeout = \"1s\""));
  const std::map<std::string, void (*)(Socket&)> ways = {
      {"client_fin", [](Socket& client) { client.close(); }},
      {"client_reset", [](Socket& client) { client.reset(); }},
      {"server_reset",
       [](Socket& client) {
         client.send("R");
         client.expect_reset();
       }},
      {"server_fin",
       [](Socket& client) {
         client.send("F");
         client.expect_fin();
         client.finish();
       }},
      {"half_close_timeout",
       [](Socket& client) {
         client.send("F");
         client.expect_fin();
       }},
      {"idle_timeout", [](Socket& client) { client.expect_fin(); }},
  };
  for (const auto& [word, end] : ways) {
    INFO(engine << ", " << word);
    Socket client;
    REQUIRE(eventually([&] {
      std::vector<Socket> held = hold_clients(balancer.address(), 1);
      if (held.empty()) return false;
      client = std::move(held.front());
      return true;
    }));
    const std::string address = client.local_address().to_string();
    REQUIRE_NOTHROW(end(client));
    CHECK(balancer.process().wait_record(address).close_word() == word);
    CHECK(eventually([&] { return served(balancer.address()); }));
  }
  balancer.process().stop();
}

TEST_CASE("attempts that fail, and clients that go meanwhile, leave no room taken") {
  const auto engine = SLUICE_EACH_ENGINE();
  const std::string service = GENERATE(as<std::string>(), "circuitBreaker.maxConnections = 1",
                                       "circuitBreaker.perEndpoint.maxConnections = 1");
  const Blackhole blackhole;
  const net::Address dead = ip_address("127.0.0.1", allocate_port());
  Balancer balancer(engine, {blackhole.address(), dead},
                    two_workers("timeout.tcp.connectTimeout = \"200ms\"\n" + service));
  for (int i = 0; i < 6; ++i) {
    if (i % 2 == 0) {
      CHECK_NOTHROW(expect_refused(balancer.address()));
    } else {
      Socket client = balancer.connect();
      client.reset();
    }
    // Its record is the sign that it has been here at all.
    REQUIRE_NOTHROW(balancer.process().wait_records(static_cast<size_t>(i) + 1));
    REQUIRE(eventually([&] {
      return active(balancer.process(), blackhole.address()) == 0 &&
             active(balancer.process(), dead) == 0;
    }));
  }
  // Nobody was refused for want of room: all came one after the other.
  CHECK(count_closes(balancer.process(), 6, "limit_endpoint@connect") == 0);
  balancer.process().stop();
}

TEST_CASE("in a storm from all sides no endpoint, and no service, has more than it may") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool is_of_service = GENERATE(true, false);
  INFO(engine << (is_of_service ? ", service" : ", endpoint"));
  Crowd crowd;
  TcpBackend backend([&](Socket& socket) { crowd.serve(socket); });
  const std::string limit = is_of_service ? "circuitBreaker.maxConnections = 3"
                                          : "circuitBreaker.perEndpoint.maxConnections = 3";
  Balancer balancer(engine, {backend.address()}, two_workers(limit));
  const int count = static_cast<int>(scaled(100, 20));
  Visits visits;
  REQUIRE_NOTHROW(visits = storm(balancer.address(), 12, count));
  CHECK(visits.served + visits.refused == 12 * count);
  CHECK(crowd.served() == visits.served);
  CHECK(visits.refused > 0);
  CHECK(crowd.most() <= 3);
  // And all of it is there again.
  CHECK(eventually([&] { return visit(balancer.address()) == Visit::kServed; }));
  balancer.process().stop();
}

TEST_CASE("a reload brings a limit, raises it and takes it away, and knows who is there") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool is_of_service = GENERATE(true, false);
  INFO(engine << (is_of_service ? ", service" : ", endpoint"));
  TcpBackend backend(echo);
  const uint16_t port = allocate_port();
  const net::Address address = ip_address("127.0.0.1", port);
  const auto config = [&](int limit) {
    return one_service(port, {backend.address()}, {},
                       fmt::format("circuitBreaker.{}maxConnections = {}",
                                   is_of_service ? "" : "perEndpoint.", limit))
        .runtime("workers = 2")
        .str();
  };
  SluiceProcess process(config(0), engine);
  const auto reload = [&](int limit) {
    process.write_config(config(limit));
    REQUIRE(process.command({"reload", "--wait"}).code == 0);
  };
  std::vector<Socket> held = hold_clients(address, 4);
  REQUIRE(held.size() == 4);
  reload(2);
  CHECK(hold_clients(address, 2).empty());
  for (Socket& client : held) CHECK_NOTHROW(expect_echo(client, "still here"));
  // Of four two may go before there is room for one.
  held.pop_back();
  held.pop_back();
  CHECK(eventually([&] { return active(process, backend.address()) == 2; }));
  CHECK(hold_clients(address, 1).empty());
  held.pop_back();
  CHECK(eventually([&] { return active(process, backend.address()) == 1; }));
  for (Socket& client : hold_clients(address, 3)) held.push_back(std::move(client));
  CHECK(held.size() == 2);
  reload(3);
  for (Socket& client : hold_clients(address, 3)) held.push_back(std::move(client));
  CHECK(held.size() == 3);
  reload(0);
  for (Socket& client : hold_clients(address, 3)) held.push_back(std::move(client));
  CHECK(held.size() == 6);
  reload(6);
  CHECK(hold_clients(address, 1).empty());
  held.clear();
  CHECK(eventually([&] { return active(process, backend.address()) == 0; }));
  CHECK(hold_clients(address, 8).size() == 6);
  process.stop();
}

}  // namespace lb::test
