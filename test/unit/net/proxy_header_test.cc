// The headers byte for byte, as doc/proxy-protocol.txt of HAProxy says them: its own examples, the
// longest ones, and what becomes of clients that have no address in the header's families.
#include "lb/net/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>
#include <string>

#include "fmt/format.h"
#include "lb/util/crc32c.h"
#include "test/support/catch.h"
#include "test/support/socket.h"

namespace lb::net {
namespace {

using test::ip_address;

constexpr const char* kSignature = "0d0a0d0a000d0a515549540a";

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  return text;
}

ProxiedPeer peer(const char* source, uint16_t source_port, const char* destination,
                 uint16_t destination_port) {
  return {false, ip_address(source, source_port), ip_address(destination, destination_port)};
}

}  // namespace

TEST_CASE("proxy header: version 1 is a line") {
  // The example of the specification, section 2.1.
  CHECK(proxy_header_v1(peer("192.168.0.1", 56324, "192.168.0.11", 443)) ==
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
  CHECK(proxy_header_v1(peer("1.2.3.4", 65535, "5.6.7.8", 0)) ==
        "PROXY TCP4 1.2.3.4 5.6.7.8 65535 0\r\n");
  CHECK(proxy_header_v1(peer("2001:db8::1", 1, "::1", 8080)) ==
        "PROXY TCP6 2001:db8::1 ::1 1 8080\r\n");
}

TEST_CASE("proxy header: version 1 is never longer than a receiver must take") {
  CHECK(proxy_header_v1(peer("255.255.255.255", 65535, "255.255.255.255", 65535)).size() == 56);
  const char* const longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  CHECK(proxy_header_v1(peer(longest, 65535, longest, 65535)).size() == 104);
}

TEST_CASE("proxy header: version 1 has no dots and no zone in an IPv6 address") {
  CHECK(proxy_header_v1(peer("::1.2.3.4", 1, "::2", 2)) == "PROXY TCP6 ::102:304 ::2 1 2\r\n");
  CHECK(proxy_header_v1(peer("fe80::1%1", 1, "fe80::2%1", 2)) ==
        "PROXY TCP6 fe80::1 fe80::2 1 2\r\n");
}

TEST_CASE("proxy header: a mapped client is an IPv4 client, whoever mapped it") {
  const ProxiedPeer mapped = peer("::ffff:192.168.0.1", 56324, "::ffff:192.168.0.11", 443);
  const ProxiedPeer plain = peer("192.168.0.1", 56324, "192.168.0.11", 443);
  CHECK(proxy_header_v1(mapped) == proxy_header_v1(plain));
  CHECK(proxy_header_v2(mapped) == proxy_header_v2(plain));
}

TEST_CASE("proxy header: two families become the one that can say both") {
  const ProxiedPeer four_to_six = peer("1.2.3.4", 1, "2001:db8::1", 2);
  CHECK(proxy_header_v1(four_to_six) == "PROXY TCP6 ::ffff:102:304 2001:db8::1 1 2\r\n");
  CHECK(hex(proxy_header_v2(four_to_six)) ==
        std::string(kSignature) + "21" + "21" + "0024" + "00000000000000000000ffff01020304" +
            "20010db8000000000000000000000001" + "0001" + "0002");
  const ProxiedPeer six_to_four = peer("2001:db8::1", 1, "1.2.3.0", 2);
  CHECK(proxy_header_v1(six_to_four) == "PROXY TCP6 2001:db8::1 ::ffff:102:300 1 2\r\n");
}

TEST_CASE("proxy header: who has no IP address is UNKNOWN, or UNSPEC") {
  const ProxiedPeer unix_peer = {false, Address(), test::unix_address("/run/a.sock")};
  CHECK(proxy_header_v1(unix_peer) == "PROXY UNKNOWN\r\n");
  CHECK(hex(proxy_header_v2(unix_peer)) == std::string(kSignature) + "21" + "00" + "0000");
  const ProxiedPeer half = {false, ip_address("1.2.3.4", 1), test::unix_address("@name")};
  CHECK(proxy_header_v1(half) == "PROXY UNKNOWN\r\n");
  CHECK(hex(proxy_header_v2(half, {.unique_id = "id"})) ==
        std::string(kSignature) + "21" + "00" + "0005" + "0500026964");
}

TEST_CASE("proxy header: a connection of nobody else's is UNKNOWN, or LOCAL and no more") {
  ProxiedPeer local = peer("1.2.3.4", 1, "5.6.7.8", 2);
  local.is_local = true;
  CHECK(proxy_header_v1(local) == "PROXY UNKNOWN\r\n");
  CHECK(hex(proxy_header_v2(local, {.unique_id = "id", .crc32c = true})) ==
        std::string(kSignature) + "20" + "00" + "0000");
}

TEST_CASE("proxy header: version 2, both families") {
  CHECK(hex(proxy_header_v2(peer("192.168.0.1", 56324, "192.168.0.11", 443))) ==
        std::string(kSignature) + "21" + "11" + "000c" + "c0a80001" + "c0a8000b" + "dc04" + "01bb");
  CHECK(hex(proxy_header_v2(peer("2001:db8::1", 65535, "::1", 0))) ==
        std::string(kSignature) + "21" + "21" + "0024" + "20010db8000000000000000000000001" +
            "00000000000000000000000000000001" + "ffff" + "0000");
}

TEST_CASE("proxy header: what version 2 tells beside the addresses, each as type, size, value") {
  const ProxiedPeer from = peer("1.2.3.4", 1, "5.6.7.8", 2);
  const std::string header = proxy_header_v2(
      from, {.authority = "example.com", .alpn = "h2", .unique_id = "00000000000000ff"});
  CHECK(hex(header) == std::string(kSignature) + "21" + "11" + "0032" + "01020304" + "05060708" +
                           "0001" + "0002" + "02000b" + hex("example.com") + "010002" + hex("h2") +
                           "050010" + hex("00000000000000ff"));
}

TEST_CASE("proxy header: the checksum is of the whole header, with zeros where it stands") {
  const ProxiedPeer from = peer("1.2.3.4", 1, "5.6.7.8", 2);
  std::string header = proxy_header_v2(from, {.unique_id = "id", .crc32c = true});
  REQUIRE(header.size() == 16 + 12 + 5 + 7);
  CHECK(hex(header.substr(header.size() - 7, 3)) == "030004");
  CHECK(hex(header.substr(14, 2)) == "0018");
  uint32_t checksum = 0;
  std::memcpy(&checksum, header.data() + header.size() - 4, 4);
  header.replace(header.size() - 4, 4, std::string(4, '\0'));
  CHECK(ntohl(checksum) == util::crc32c(header));
  // From an independent implementation, so that the order of its bytes is right.
  const std::string alone = proxy_header_v2(from, {.crc32c = true});
  CHECK(hex(alone.substr(alone.size() - 4)) == "65a60e1e");
}

TEST_CASE("proxy header: a value that is too long is left out") {
  const ProxiedPeer from = peer("1.2.3.4", 1, "5.6.7.8", 2);
  const std::string most(kMaxProxyValueBytes, 'n');
  CHECK(proxy_header_v2(from, {.authority = most}).size() == 16 + 12 + 3 + most.size());
  CHECK(proxy_header_v2(from, {.authority = most + "n"}) == proxy_header_v2(from));
}

}  // namespace lb::net
