// Where a listener listens: IPv4, IPv6 and both, and what of it the log says.
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/network_namespace.h"
#include "test/support/port_allocator.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

// Whether a client of this address is served, by a listener on these addresses.
struct Reach {
  std::vector<std::string> addresses;
  bool by_ipv4;
  bool by_ipv6;
};

bool reaches(const std::string& ip, uint16_t port) { return served(ip_address(ip, port)); }

}  // namespace

TEST_CASE("a listener is reached by the families that its addresses say") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto reach =
      GENERATE(Reach{{}, true, true}, Reach{{"0.0.0.0"}, true, false}, Reach{{"::"}, true, true},
               Reach{{"::1"}, false, true}, Reach{{"127.0.0.1"}, true, false},
               Reach{{"127.0.0.1", "::1"}, true, true}, Reach{{"0.0.0.0", "::1"}, true, true},
               Reach{{"0.0.0.0", "::"}, true, true});
  INFO(engine << " on " << (reach.addresses.empty() ? "no address" : reach.addresses.front()));
  TcpBackend backend(echo);
  const uint16_t port = allocate_port();
  ConfigText config = one_service(port, {backend.address()});
  if (!reach.addresses.empty()) config.addresses(reach.addresses);
  SluiceProcess process(config.str(), engine);
  CHECK(reaches("127.0.0.1", port) == reach.by_ipv4);
  CHECK(reaches("::1", port) == reach.by_ipv6);
  process.stop();
}

TEST_CASE("an IPv6 client reaches an IPv6 backend, and the record says so") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo, ip_address("::1", allocate_port()));
  const Balancer balancer(engine, {backend.address()});
  Socket client = Socket::connect(ip_address("::1", balancer.address().port()));
  expect_echo(client, "over six");
  const std::string name = client.local_address().to_string();
  client.close();
  const AccessRecord record = balancer.process().wait_record(name);
  CHECK(record.text("local") == "[::1]:" + std::to_string(balancer.address().port()));
  CHECK(record.text("endpoint") == backend.address().to_string());
  CHECK(record.text("upstream_local").starts_with("[::1]:"));
}

TEST_CASE("an address with a zone is an endpoint and a place to listen") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto space = NetworkNamespace::enter();
  if (space == nullptr) return;
  space->ip("link add sluice0 type veth peer name sluice1");
  space->ip("addr add fe80::1/64 dev sluice0 nodad");
  space->ip("link set sluice0 up");
  space->ip("link set sluice1 up");
  TcpBackend backend(echo, ip_address("fe80::1%sluice0", allocate_port()));
  const net::Address address = ip_address("fe80::1%sluice0", allocate_port());
  SluiceProcess process(
      one_service(address.port(), {backend.address()}).addresses({"fe80::1%sluice0"}).str(),
      engine);
  CHECK(served(address));
  process.stop();
}

TEST_CASE("an IPv4 client of a listener on both families is logged as IPv4") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  const Balancer balancer(engine, {backend.address()});
  Socket client = balancer.connect_echo();
  const std::string name = client.local_address().to_string();
  REQUIRE(name.starts_with("127.0.0.1:"));
  client.close();
  const AccessRecord record = balancer.process().wait_record(name);
  CHECK(record.text("local") == balancer.address().to_string());
}

}  // namespace lb::test
