// The access record of a connection: every field, and the numbers in it.
#include <chrono>
#include <set>
#include <thread>

#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/port_allocator.h"
#include "test/support/tcp_backend.h"

namespace lb::test {

TEST_CASE("an access record has every field, and they are right") {
  const auto engine = SLUICE_EACH_ENGINE();
  std::string seen_by_backend;
  TcpBackend backend([&](Socket& socket) {
    seen_by_backend = socket.peer_address().to_string();
    socket.recv_exactly(1000);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    socket.send(std::string(5000, 'x'));
    socket.expect_fin();
  });
  const uint16_t port = allocate_port();
  SluiceProcess process(one_service(port, {backend.address()}).str(), engine);
  Socket client = Socket::connect(ip_address("127.0.0.1", port));
  const std::string name = client.local_address().to_string();
  client.send(std::string(1000, 'y'));
  client.recv_exactly(5000);
  client.finish();
  client.expect_fin();
  const AccessRecord record = process.wait_record(name);
  INFO(record.line());
  CHECK_FALSE(record.text("ts").empty());
  CHECK_FALSE(record.text("id").empty());
  CHECK(record.text("gateway") == "gw");
  CHECK(record.text("listener") == "main");
  CHECK(record.text("route") == "to-main");
  CHECK(record.text("service") == "web");
  CHECK(record.text("endpoint") == backend.address().to_string());
  CHECK(record.text("local") == "127.0.0.1:" + std::to_string(port));
  CHECK_NOTHROW(backend.wait_finished(1));
  CHECK(record.text("upstream_local") == seen_by_backend);
  CHECK(record.number("bytes_in") == 1000);
  CHECK(record.number("bytes_out") == 5000);
  CHECK(record.number("connect_ms") >= 0);
  CHECK(record.number("connect_ms") < 200);
  CHECK(record.number("first_byte_ms") >= 150);
  CHECK(record.number("duration_ms") >= record.number("first_byte_ms"));
  CHECK(record.number("attempts") == 1);
  CHECK(record.close_word() == "client_fin");
  CHECK(record.text("engine") == engine);
  CHECK_FALSE(record.text("relay").empty());
  CHECK(record.number("rtt_client_us") > 0);
  CHECK(record.number("rtt_server_us") > 0);
  process.stop();
}

TEST_CASE("every connection has one record, with an id of its own") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()});
  for (int i = 0; i < 200; ++i) REQUIRE(served(balancer.address()));
  balancer.process().wait_records(200);
  balancer.process().stop();
  std::set<std::string> ids;
  for (const AccessRecord& record : balancer.process().records()) ids.insert(record.text("id"));
  CHECK(ids.size() == 200);
  CHECK(balancer.process().records().size() == 200);
}

TEST_CASE("objects outside the namespace default are logged with their namespace") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  const uint16_t port = allocate_port();
  const std::string config =
      "[[gateways]]\nname = \"gw\"\nnamespace = \"prod\"\nlisteners = [{ name = \"main\", port = " +
      std::to_string(port) +
      ", protocol = \"TCP\" }]\n[[tcpRoutes]]\nname = \"r\"\nnamespace = \"prod\"\n"
      "parentRefs = [{ name = \"gw\" }]\nrules = [{ backendRefs = [{ name = \"web\", port = 80 }] "
      "}]\n"
      "[[services]]\nname = \"web\"\nnamespace = \"prod\"\nports = [{ port = 80, targetPort = " +
      std::to_string(backend.port()) + " }]\nendpoints = [{ address = \"127.0.0.1\" }]\n";
  SluiceProcess process(config, engine);
  REQUIRE(served(ip_address("127.0.0.1", port)));
  const AccessRecord record = process.wait_records(1).front();
  INFO(record.line());
  CHECK(record.text("gateway") == "prod/gw");
  CHECK(record.text("route") == "prod/r");
  CHECK(record.text("service") == "prod/web");
  process.stop();
}

}  // namespace lb::test
