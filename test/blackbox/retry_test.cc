// Connect attempts: each on another endpoint, so many, and all of them in time.
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "lb/net/fd.h"
#include "test/support/admin_client.h"
#include "test/support/balancer.h"
#include "test/support/blackhole.h"
#include "test/support/catch.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/port_allocator.h"
#include "test/support/tcp_backend.h"
#include "test/support/temp_dir.h"

namespace lb::test {
namespace {

std::vector<net::Address> dead_addresses(int count) {
  std::vector<net::Address> addresses;
  for (int i = 0; i < count; ++i) addresses.push_back(ip_address("127.0.0.1", allocate_port()));
  return addresses;
}

double failures(const SluiceProcess& process, const net::Address& endpoint) {
  const auto metrics = metrics_of(process);
  const auto found = metrics.find("sluice_connect_failures_total{service=\"web\",endpoint=\"" +
                                  endpoint.to_string() + "\",reason=\"connect_refused\"}");
  return found == metrics.end() ? 0 : found->second;
}

}  // namespace

TEST_CASE("each attempt is on another endpoint, and when all have been tried it is over") {
  const auto engine = SLUICE_EACH_ENGINE();
  const int endpoints = GENERATE(1, 2, 4);
  const std::vector<net::Address> dead = dead_addresses(endpoints);
  Balancer balancer(engine, dead,
                    {.service = "retry.maxAttempts = 3\n"
                                "healthCheck.passive.consecutiveConnectFailures = 0"});
  constexpr int kClients = 20;
  for (int i = 0; i < kClients; ++i) REQUIRE_NOTHROW(expect_refused(balancer.address()));
  const int attempts = std::min(endpoints, 3);
  for (const AccessRecord& record : balancer.process().wait_records(kClients)) {
    INFO(record.line());
    REQUIRE(record.text("close") == "connect_refused@connect");
    REQUIRE(record.number("attempts") == attempts);
  }
  double sum = 0;
  for (const net::Address& address : dead) {
    const double of_endpoint = failures(balancer.process(), address);
    // No connection has tried it twice.
    CHECK(of_endpoint <= kClients);
    sum += of_endpoint;
  }
  CHECK(sum == kClients * attempts);
  CHECK(metrics_of(balancer.process()).at("sluice_connect_retries_total{service=\"web\"}") ==
        kClients * (attempts - 1));
  balancer.process().stop();
}

TEST_CASE("the total timeout cuts the last attempt short") {
  const auto engine = SLUICE_EACH_ENGINE();
  const Blackhole blackhole;
  Balancer balancer(engine, {dead_addresses(1).front(), blackhole.address()},
                    {.service = "timeout.tcp.connectTimeout = \"10m\"\n"
                                "retry.totalTimeout = \"1s\""});
  CHECK_NOTHROW(expect_refused(balancer.address()));
  const AccessRecord record = balancer.process().wait_records(1).front();
  INFO(record.line());
  CHECK(record.text("close") == "connect_timeout@connect");
  CHECK(record.number("attempts") <= 2);
  CHECK(record.number("duration_ms") >= 1'000);
  balancer.process().stop();
}

TEST_CASE("a service of which one in three is dead costs no client its connection") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend one(echo);
  TcpBackend other(echo);
  Balancer balancer(engine, {dead_addresses(1).front(), one.address(), other.address()},
                    {.process = {.arguments = {"--workers", "2"}}});
  for (int i = 0; i < 100; ++i) {
    Socket client = balancer.connect();
    REQUIRE_NOTHROW(expect_echo(client, "sent before any backend is there"));
  }
  CHECK(one.accepted() + other.accepted() == 100);
  balancer.process().stop();
}

TEST_CASE("a unix socket whose queue is full is waited for, and has not failed") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool is_in_time = GENERATE(true, false);
  INFO(engine << (is_in_time ? ", in time" : ", too late"));
  const TempDir dir;
  const net::Address address = unix_address(dir.path("backend.sock"));
  const net::UniqueFd listener = listen_on(address, 0);
  std::vector<net::UniqueFd> fillers;
  do {
    fillers.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  } while (::connect(fillers.back().get(), address.data(), address.size_bytes()) == 0);
  REQUIRE(errno == EAGAIN);
  Balancer balancer(
      engine, {address},
      {.service = fmt::format("timeout.tcp.connectTimeout = \"{}\"\nretry.totalTimeout = \"10m\"\n"
                              "healthCheck.passive.consecutiveConnectFailures = 1",
                              is_in_time ? "10m" : "300ms")});
  if (!is_in_time) {
    CHECK_NOTHROW(expect_refused(balancer.address()));
    CHECK(balancer.process().wait_records(1).front().text("close") == "connect_timeout@connect");
    return balancer.process().stop();
  }
  Socket client = balancer.connect();
  client.send("hello");
  // Counted in at the endpoint, and so about to connect or waiting to.
  const std::string active = fmt::format(
      "sluice_service_connections_active{{service=\"web\",endpoint=\"{}\"}}", address.to_string());
  REQUIRE(eventually([&] { return metrics_of(balancer.process()).at(active) == 1; }));
  for (size_t i = 1; i < fillers.size(); ++i) {
    const net::UniqueFd server(::accept(listener.get(), nullptr, nullptr));
    CHECK(server.get() >= 0);
  }
  net::UniqueFd served;
  REQUIRE(eventually([&] {
    served = net::UniqueFd(::accept(listener.get(), nullptr, nullptr));
    return served.get() >= 0;
  }));
  Socket server(std::move(served));
  CHECK(server.recv_exactly(5) == "hello");
  client.close();
  server.close();
  const AccessRecord record = balancer.process().wait_records(1).front();
  INFO(record.line());
  CHECK(record.number("attempts") == 1);
  CHECK(balancer.process().log().count("msg=\"endpoint down\"") == 0);
  balancer.process().stop();
}

}  // namespace lb::test
