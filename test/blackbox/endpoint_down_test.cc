// What becomes of live connections when their endpoint goes down or leaves the configuration:
// `onEndpointDown` and `onEndpointRemoved`.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "test/support/admin_client.h"
#include "test/support/balancer.h"
#include "test/support/blackhole.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/port_allocator.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

using std::chrono::seconds;

// Backends a and b, and connections that are held to both.
struct World {
  World(const std::string& engine, const std::string& policy, int count = 20)
      : policy_lines("loadBalancer.type = \"RoundRobin\"\n" + policy),
        balancer(engine, {a.address(), b.address()},
                 {.service = policy_lines, .runtime = "workers = 1"}) {
    for (int i = 0; i < count; ++i) {
      const int before = a.accepted();
      Socket socket = balancer.connect_echo();
      (a.accepted() > before ? to_a : to_b).push_back(std::move(socket));
    }
    REQUIRE(!to_a.empty());
    REQUIRE(!to_b.empty());
  }

  SluiceProcess& process() { return balancer.process(); }
  void change(const TcpBackend& backend, const std::string& action) {
    const CommandResult result =
        process().command({"endpoint", "web", backend.address().to_string(), action});
    INFO(result.err);
    REQUIRE(result.code == 0);
  }
  void reload(const std::vector<net::Address>& endpoints) {
    process().write_config(one_service(balancer.address().port(), endpoints, {}, policy_lines)
                               .runtime("workers = 1")
                               .str());
    const CommandResult result = process().command({"reload"});
    INFO(result.err);
    REQUIRE(result.code == 0);
  }
  double closes(const std::string& reason) {
    const auto metrics = metrics_of(process());
    const auto found = metrics.find(
        fmt::format("sluice_connection_closes_total{{service=\"web\",reason=\"{}\"}}", reason));
    return found == metrics.end() ? 0 : found->second;
  }
  static void check_alive(std::vector<Socket>& sockets) {
    for (Socket& socket : sockets) CHECK_NOTHROW(expect_echo(socket, "alive"));
  }
  void stop() {
    to_a.clear();
    to_b.clear();
    CHECK_NOTHROW(process().stop());
  }

  TcpBackend a{echo};
  TcpBackend b{echo};
  std::string policy_lines;
  Balancer balancer;
  std::vector<Socket> to_a;
  std::vector<Socket> to_b;
};

// Milliseconds from the accept to the end, of those that ended for this reason.
std::vector<int64_t> durations(const SluiceProcess& process, const std::string& reason) {
  std::vector<int64_t> durations;
  for (const AccessRecord& record : process.records()) {
    if (record.close_word() != reason) continue;
    CHECK(record.close_place() == "data");
    durations.push_back(record.number("duration_ms"));
  }
  return durations;
}

}  // namespace

TEST_CASE("connections to an endpoint that goes down or is removed stay, by default") {
  World world(SLUICE_EACH_ENGINE(), "");
  world.change(world.a, "down");
  World::check_alive(world.to_a);
  world.reload({world.b.address()});
  World::check_alive(world.to_a);
  World::check_alive(world.to_b);
  CHECK(world.closes("endpoint_down") == 0);
  CHECK(world.closes("endpoint_removed") == 0);
  world.stop();
}

TEST_CASE("connections to an endpoint that goes down are reset at once with Close") {
  World world(SLUICE_EACH_ENGINE(), "onEndpointDown = \"Close\"");
  world.change(world.a, "drain");
  World::check_alive(world.to_a);
  world.change(world.a, "down");
  for (Socket& socket : world.to_a) CHECK_NOTHROW(socket.expect_reset());
  // The server sees its end at once as well.
  CHECK(eventually([&] { return world.closes("endpoint_down") == double(world.to_a.size()); }));
  World::check_alive(world.to_b);
  CHECK(eventually(
      [&] { return durations(world.process(), "endpoint_down").size() == world.to_a.size(); }));
  // The next ones are of the time after.
  world.change(world.a, "ready");
  std::vector<Socket> next;
  for (int i = 0; i < 4; ++i) next.push_back(world.balancer.connect_echo());
  World::check_alive(next);
  next.clear();
  world.stop();
}

TEST_CASE("connections to an endpoint that is removed are reset, and those of no other") {
  World world(SLUICE_EACH_ENGINE(), "onEndpointRemoved = \"Close\"");
  world.change(world.a, "down");
  World::check_alive(world.to_a);
  world.reload({world.a.address(), world.b.address()});
  World::check_alive(world.to_a);
  world.reload({world.b.address()});
  for (Socket& socket : world.to_a) CHECK_NOTHROW(socket.expect_reset());
  World::check_alive(world.to_b);
  CHECK(world.closes("endpoint_removed") == double(world.to_a.size()));
  world.stop();
}

TEST_CASE("connections to an endpoint that goes down are closed over a time with a spread") {
  World world(SLUICE_EACH_ENGINE(), "onEndpointDown = { spread = \"2s\" }", 80);
  world.change(world.a, "down");
  for (Socket& socket : world.to_a) CHECK_NOTHROW(socket.expect_reset());
  World::check_alive(world.to_b);
  REQUIRE(eventually(
      [&] { return durations(world.process(), "endpoint_down").size() == world.to_a.size(); }));
  // They began within little time. Of n times drawn evenly from 2 s, the first and the last are
  // less than 1 s apart with a chance of (n+1)/2^n: 4e-8 of 30. A slow machine spreads them more.
  std::vector<int64_t> ends = durations(world.process(), "endpoint_down");
  REQUIRE(ends.size() >= 30);
  const auto [first, last] = std::minmax_element(ends.begin(), ends.end());
  CHECK(*last - *first > 1000);
  world.stop();
}

TEST_CASE("an endpoint that comes back before the spread ends keeps what it has left") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool is_removed = GENERATE(false, true);
  CAPTURE(is_removed);
  World world(engine,
              "onEndpointDown = { spread = \"10s\" }\nonEndpointRemoved = { spread = \"10s\" }",
              200);
  const std::string reason = is_removed ? "endpoint_removed" : "endpoint_down";
  if (is_removed) {
    world.reload({world.b.address()});
  } else {
    world.change(world.a, "down");
  }
  // Some 10 a second.
  REQUIRE(eventually([&] { return world.closes(reason) > 0; }, seconds(20)));
  if (is_removed) {
    world.reload({world.a.address(), world.b.address()});
  } else {
    world.change(world.a, "ready");
  }
  // Two turns of the only worker, so that it knows.
  world.balancer.connect_echo();
  world.balancer.connect_echo();
  const double closed = world.closes(reason);
  REQUIRE(closed < double(world.to_a.size()));
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  CHECK(world.closes(reason) == closed);
  world.stop();
}

TEST_CASE("an endpoint that was removed and is back keeps its new connections, up or not") {
  const auto engine = SLUICE_EACH_ENGINE();
  // Nobody is there to be checked, so that all are used for want of a better one.
  const std::string check =
      fmt::format("type = \"TCP\", port = {}, unhealthyThreshold = 1", allocate_port());
  World world(engine,
              "onEndpointRemoved = \"Close\"\nhealthCheck.panicThreshold = 50\n"
              "healthCheck.active = { " +
                  check + " }");
  world.reload({world.b.address()});
  for (Socket& socket : world.to_a) CHECK_NOTHROW(socket.expect_reset());
  world.reload({world.a.address()});
  std::vector<Socket> next;
  for (int i = 0; i < 4; ++i) CHECK_NOTHROW(next.push_back(world.balancer.connect_echo()));
  World::check_alive(next);
  world.process().send_signal(SIGTERM);
  next.clear();
  world.to_a.clear();
  world.to_b.clear();
  CHECK(world.process().wait_exit() == 0);
}

TEST_CASE("who is connecting to an endpoint that goes down goes on to the next one") {
  const auto engine = SLUICE_EACH_ENGINE();
  const Blackhole hole;
  TcpBackend alive(echo);
  Balancer balancer(
      engine, {hole.address(), alive.address()},
      {.service = "loadBalancer.type = \"RoundRobin\"\nonEndpointDown = \"Close\"\n"
                  "timeout.tcp.connectTimeout = \"1h\"\nretry = { totalTimeout = \"2h\" }",
       .runtime = "workers = 1"});
  SluiceProcess& process = balancer.process();
  std::vector<Socket> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(balancer.connect());
    clients.back().send("early");
  }
  CHECK(eventually([&] { return alive.accepted() == 3; }));
  CHECK(process.command({"endpoint", "web", hole.address().to_string(), "down"}).code == 0);
  for (Socket& socket : clients) {
    CHECK(socket.recv_exactly(5) == "early");
    CHECK_NOTHROW(expect_echo(socket, "late"));
  }
  CHECK(alive.accepted() == 6);
  clients.clear();
  CHECK_NOTHROW(process.stop());
}

}  // namespace lb::test
