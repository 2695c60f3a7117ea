// Which parts of an address tell clients apart.
#include "lb/balance/source_hash.h"

#include <netinet/in.h>

#include <string_view>

#include "test/support/catch.h"
#include "test/support/socket.h"

namespace lb::balance {
namespace {

uint64_t hash_of(std::string_view ip, const SourcePrefix& prefix = {}, uint16_t port = 1,
                 uint64_t seed = 0) {
  return source_hash(test::ip_address(ip, port), prefix, seed);
}

}  // namespace

TEST_CASE("source hash: the address counts, the port does not") {
  CHECK(hash_of("10.1.2.3", {}, 1) == hash_of("10.1.2.3", {}, 2));
  CHECK(hash_of("10.1.2.3") != hash_of("10.1.2.4"));
  CHECK(hash_of("2001:db8::1", {}, 1) == hash_of("2001:db8::1", {}, 2));
  CHECK(hash_of("2001:db8::1") != hash_of("2001:db8::2"));
  CHECK(hash_of("10.1.2.3", {}, 1, 5) != hash_of("10.1.2.3", {}, 1, 6));
}

TEST_CASE("source hash: what is behind the prefix does not count") {
  CHECK(hash_of("10.1.2.3", {24, 128}) == hash_of("10.1.2.200", {24, 128}));
  CHECK(hash_of("10.1.2.3", {24, 128}) != hash_of("10.1.3.3", {24, 128}));
  CHECK(hash_of("10.1.2.127", {25, 128}) != hash_of("10.1.2.128", {25, 128}));
  CHECK(hash_of("10.1.2.3", {31, 128}) == hash_of("10.1.2.2", {31, 128}));
  CHECK(hash_of("1.2.3.4", {0, 128}) == hash_of("200.1.1.1", {0, 128}));
  CHECK(hash_of("2001:db8:0:1::1", {32, 64}) == hash_of("2001:db8:0:1:ffff::9", {32, 64}));
  CHECK(hash_of("2001:db8:0:1::1", {32, 64}) != hash_of("2001:db8:0:2::1", {32, 64}));
  // One family's prefix is not the other's.
  CHECK(hash_of("10.1.2.3", {32, 0}) != hash_of("10.1.2.4", {32, 0}));
  CHECK(hash_of("::1", {32, 0}) == hash_of("ffff::1", {32, 0}));
}

TEST_CASE("source hash: an IPv4-mapped address is the IPv4 address") {
  sockaddr_storage storage = {};
  auto& mapped = reinterpret_cast<sockaddr_in6&>(storage);
  mapped.sin6_family = AF_INET6;
  const uint8_t bytes[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3};
  std::copy(std::begin(bytes), std::end(bytes), mapped.sin6_addr.s6_addr);
  const auto accepted = net::Address::from_sockaddr(storage, sizeof(mapped));
  CHECK(source_hash(accepted, {}, 0) == hash_of("10.1.2.3"));
  CHECK(hash_of("::ffff:10.1.2.3") == hash_of("10.1.2.3"));
  CHECK(hash_of("::ffff:10.1.2.3", {24, 128}) == hash_of("10.1.2.9", {24, 128}));
}

TEST_CASE("source hash: clients without an IP address are one") {
  CHECK(source_hash(net::Address(), {}, 0) == source_hash(test::unix_address("/a"), {}, 0));
}

}  // namespace lb::balance
