// Connections that wait in their service's queue because all endpoints are full: who is next, how
// many may, for how long, and what becomes of them when something else happens.
#include <fmt/format.h>
#include <signal.h>

#include <span>
#include <string>
#include <vector>

#include "test/blackbox/crowd.h"
#include "test/support/admin_client.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/port_allocator.h"
#include "test/support/scale.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

// One connection at a time, by a limit of either kind.
std::string one_at_a_time(bool is_of_service, int max_pending, const std::string& timeout = "10m") {
  return fmt::format(
      "[services.circuitBreaker]\nmaxPending = {}\npendingTimeout = \"{}\"\n{} = 1\n", max_pending,
      timeout, is_of_service ? "maxConnections" : "perEndpoint.maxConnections");
}

BalancerOptions two_workers(const std::string& service) {
  return {.service = service, .process = {.arguments = {"--workers", "2"}}};
}

double pending(const SluiceProcess& process) {
  return metrics_of(process).at("sluice_service_pending{service=\"web\"}");
}

// A client that waits, as one of so many.
Socket wait_in_line(const SluiceProcess& process, const net::Address& address, int place) {
  Socket client = Socket::connect(address);
  client.send(fmt::format("number {}", place));
  REQUIRE(eventually([&] { return pending(process) == place; }));
  return client;
}

}  // namespace

TEST_CASE("whoever has waited longest is served next, with what he said meanwhile") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool is_of_service = GENERATE(true, false);
  INFO(engine << (is_of_service ? ", service" : ", endpoint"));
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()}, two_workers(one_at_a_time(is_of_service, 100)));
  Socket first = balancer.connect_echo();
  constexpr int kWaiting = 8;
  std::vector<Socket> clients;
  for (int i = 1; i <= kWaiting; ++i) {
    clients.push_back(wait_in_line(balancer.process(), balancer.address(), i));
  }
  const std::string address = clients.front().local_address().to_string();
  CHECK(backend.accepted() == 1);
  first.close();
  for (int i = 1; i <= kWaiting; ++i) {
    Socket& client = clients[static_cast<size_t>(i - 1)];
    CHECK(client.recv_exactly(8) == fmt::format("number {}", i));
    // Nobody else has been served.
    CHECK(backend.accepted() == i + 1);
    CHECK(pending(balancer.process()) == kWaiting - i);
    client.close();
  }
  const AccessRecord record = balancer.process().wait_record(address);
  INFO(record.line());
  CHECK(record.number("attempts") == 1);
  CHECK(record.number("connect_ms") > 0);
  balancer.process().stop();
}

TEST_CASE("so many may wait and no more, and those not for ever") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()}, two_workers(one_at_a_time(false, 2, "2s")));
  Socket holder = balancer.connect_echo();
  std::vector<Socket> clients;
  for (int i = 1; i <= 2; ++i) {
    clients.push_back(wait_in_line(balancer.process(), balancer.address(), i));
  }
  CHECK_NOTHROW(expect_refused(balancer.address()));
  const std::vector<AccessRecord> at_once = balancer.process().wait_records(1);
  for (Socket& client : clients) CHECK_NOTHROW(client.expect_reset());
  CHECK(pending(balancer.process()) == 0);
  for (const AccessRecord& record : balancer.process().wait_records(3)) {
    INFO(record.line());
    CHECK(record.text("close") == "limit_endpoint@connect");
    CHECK(record.number("attempts") == 0);
    CHECK(record.number("connect_ms") == -1);
    const bool has_waited = record.line() != at_once.front().line();
    if (has_waited) CHECK(record.number("duration_ms") >= 2'000);
  }
  CHECK_NOTHROW(expect_echo(holder, "still here"));
  holder.close();
  CHECK(eventually([&] { return served(balancer.address()); }));
  balancer.process().stop();
}

TEST_CASE("a client that goes while it waits is out of the way") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()}, two_workers(one_at_a_time(true, 10)));
  Socket holder = balancer.connect_echo();
  Socket goes = wait_in_line(balancer.process(), balancer.address(), 1);
  Socket stays = wait_in_line(balancer.process(), balancer.address(), 2);
  const std::string address = goes.local_address().to_string();
  goes.reset();
  CHECK(balancer.process().wait_record(address).text("close") == "client_reset@connect");
  CHECK(pending(balancer.process()) == 1);
  holder.close();
  CHECK(stays.recv_exactly(8) == "number 2");
  stays.close();
  balancer.process().stop();
}

TEST_CASE("a reload leaves the queue as it is, and serves as many as it makes room for") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool is_of_service = GENERATE(true, false);
  INFO(engine << (is_of_service ? ", service" : ", endpoint"));
  TcpBackend backend(echo);
  const uint16_t port = allocate_port();
  const auto config = [&](int limit) {
    return one_service(
               port, {backend.address()}, {},
               fmt::format("[services.circuitBreaker]\nmaxPending = 10\n"
                           "pendingTimeout = \"10m\"\n{} = {}",
                           is_of_service ? "maxConnections" : "perEndpoint.maxConnections", limit))
        .runtime("workers = 2")
        .str();
  };
  SluiceProcess process(config(1), engine);
  const auto reload = [&](int limit) {
    process.write_config(config(limit));
    REQUIRE(process.command({"reload", "--wait"}).code == 0);
  };
  const net::Address address = ip_address("127.0.0.1", port);
  Socket holder = Socket::connect(address);
  expect_echo(holder, "hello");
  std::vector<Socket> clients;
  for (int i = 1; i <= 4; ++i) clients.push_back(wait_in_line(process, address, i));
  reload(1);
  CHECK(pending(process) == 4);
  // Who comes after the reload is behind those who came before it.
  clients.push_back(wait_in_line(process, address, 5));
  reload(3);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(clients[i].recv_exactly(8) == fmt::format("number {}", i + 1));
  }
  CHECK(pending(process) == 3);
  CHECK(backend.accepted() == 3);
  reload(0);
  for (size_t i = 2; i < 5; ++i) {
    CHECK(clients[i].recv_exactly(8) == fmt::format("number {}", i + 1));
  }
  CHECK(pending(process) == 0);
  holder.close();
  clients.clear();
  process.stop();
}

TEST_CASE("an endpoint that a reload brings serves who comes, whoever else waits") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend old_one(echo);
  TcpBackend new_one(echo);
  const uint16_t port = allocate_port();
  const auto config = [&](const std::vector<net::Address>& endpoints) {
    return one_service(port, endpoints, {}, one_at_a_time(false, 10)).runtime("workers = 2").str();
  };
  SluiceProcess process(config({old_one.address()}), engine);
  const net::Address address = ip_address("127.0.0.1", port);
  Socket holder = Socket::connect(address);
  expect_echo(holder, "hello");
  Socket waits = wait_in_line(process, address, 1);
  process.write_config(config({old_one.address(), new_one.address()}));
  REQUIRE(process.command({"reload", "--wait"}).code == 0);
  // It keeps to the configuration that it began with, and does not hold up the others.
  CHECK(served(address));
  CHECK(new_one.accepted() == 1);
  holder.close();
  CHECK(waits.recv_exactly(8) == "number 1");
  waits.close();
  process.stop();
}

TEST_CASE("a storm on a full service: all are served in the end, and never too many at a time") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool is_of_service = GENERATE(true, false);
  INFO(engine << (is_of_service ? ", service" : ", endpoint"));
  Crowd crowd;
  TcpBackend backend([&](Socket& socket) { crowd.serve(socket); });
  Balancer balancer(engine, {backend.address()}, two_workers(one_at_a_time(is_of_service, 100)));
  const int count = static_cast<int>(scaled(60, 15));
  Visits visits;
  REQUIRE_NOTHROW(visits = storm(balancer.address(), 16, count));
  CHECK(visits.served == 16 * count);
  CHECK(visits.refused == 0);
  CHECK(crowd.most() == 1);
  CHECK(pending(balancer.process()) == 0);
  balancer.process().stop();
}

TEST_CASE(
    "a process that is told to end serves those who wait, and ends with those who cannot be") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool has_time = GENERATE(true, false);
  INFO(engine << (has_time ? ", in time" : ", too late"));
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()},
                    {.service = one_at_a_time(true, 10),
                     .runtime = has_time ? "shutdownTimeout = \"5m\"" : "shutdownTimeout = \"1s\"",
                     .process = {.arguments = {"--workers", "2"}}});
  Socket holder = balancer.connect_echo();
  std::vector<Socket> clients;
  for (int i = 1; i <= 3; ++i) {
    clients.push_back(wait_in_line(balancer.process(), balancer.address(), i));
  }
  balancer.process().send_signal(SIGTERM);
  if (has_time) {
    holder.close();
    for (size_t i = 0; i < 3; ++i) {
      CHECK(clients[i].recv_exactly(8) == fmt::format("number {}", i + 1));
      clients[i].close();
    }
  } else {
    // Workers end one after the other: what the first gives back may still serve somebody for a
    // moment.
    for (Socket& client : clients) {
      CHECK(client.recv_to_end([](std::span<const std::byte>) {}) == Socket::End::kRST);
    }
  }
  CHECK(balancer.process().wait_exit() == 0);
}

}  // namespace lb::test
