// Addresses: what parses, how it is written, and what the kernel gives back.
#include "lb/net/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "test/support/catch.h"

namespace lb::net {
namespace {

std::string written(std::string_view ip, uint16_t port) {
  const auto address = Address::parse(ip, port);
  return address.ok() ? address->to_string() : "fault";
}

std::string written_path(std::string_view path) {
  const auto address = Address::from_unix_path(path);
  return address.ok() ? address->to_string() : "fault";
}

Address from_in6(std::string_view ip, uint16_t port) {
  sockaddr_storage storage = {};
  auto& in6 = reinterpret_cast<sockaddr_in6&>(storage);
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port);
  REQUIRE(inet_pton(AF_INET6, std::string(ip).c_str(), &in6.sin6_addr) == 1);
  return Address::from_sockaddr(storage, sizeof(in6));
}

}  // namespace

TEST_CASE("address: the default is unspecified") {
  const Address address;
  CHECK(address.family() == AF_UNSPEC);
  CHECK(address.to_string().empty());
  CHECK(address.host_string().empty());
  CHECK(address.port() == 0);
  CHECK_FALSE(address.is_ip());
  CHECK_FALSE(address.is_unix());
  CHECK_FALSE(address.is_wildcard());
  CHECK(address == Address());
}

TEST_CASE("address: IPv4 literals") {
  const Address address = *Address::parse("192.0.2.7", 8080);
  CHECK(address.family() == AF_INET);
  CHECK(address.is_ip());
  CHECK(address.port() == 8080);
  CHECK(address.to_string() == "192.0.2.7:8080");
  CHECK(address.host_string() == "192.0.2.7");
  CHECK(address.size_bytes() == sizeof(sockaddr_in));
  CHECK_FALSE(address.is_wildcard());
  CHECK(Address::parse("0.0.0.0", 1)->is_wildcard());
  CHECK(written("255.255.255.255", 65535) == "255.255.255.255:65535");
}

TEST_CASE("address: IPv6 literals") {
  const Address address = *Address::parse("2001:DB8:0::1", 443);
  CHECK(address.family() == AF_INET6);
  CHECK(address.is_ip());
  CHECK(address.port() == 443);
  CHECK(address.to_string() == "[2001:db8::1]:443");
  CHECK(address.host_string() == "2001:db8::1");
  CHECK(address.size_bytes() == sizeof(sockaddr_in6));
  CHECK(Address::parse("::", 1)->is_wildcard());
  CHECK_FALSE(Address::parse("::1", 1)->is_wildcard());
  CHECK(written("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0) ==
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:0");
}

TEST_CASE("address: the zone of a link-local address is a name or a number") {
  const unsigned loopback = if_nametoindex("lo");
  REQUIRE(loopback != 0);
  const std::string expected = "[fe80::1%" + std::to_string(loopback) + "]:80";
  CHECK(written("fe80::1%lo", 80) == expected);
  CHECK(written("fe80::1%" + std::to_string(loopback), 80) == expected);
  CHECK(written("fe80::1%no-such-interface", 80) == "fault");
  CHECK(written("fe80::1%0", 80) == "fault");
  CHECK(written("fe80::1%", 80) == "fault");
  CHECK(written("127.0.0.1%lo", 80) == "fault");
  CHECK(!(*Address::parse("fe80::1%1", 80) == *Address::parse("fe80::1%2", 80)));
}

TEST_CASE("address: what is no literal is refused, names too") {
  for (const char* text : {"", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", " ::1",
                           "[::1]", "1.2.3.4:80", "::1::", "0x7f000001", "127.1"}) {
    CAPTURE(text);
    CHECK(written(text, 80) == "fault");
  }
  const std::string with_nul("1.2.3.4\0x", 9);
  CHECK(written(with_nul, 80) == "fault");
}

TEST_CASE("address: unix paths, and names in the abstract space") {
  const Address path = *Address::from_unix_path("/run/a.sock");
  CHECK(path.is_unix());
  CHECK_FALSE(path.is_ip());
  CHECK(path.port() == 0);
  CHECK(path.to_string() == "/run/a.sock");
  CHECK(path.host_string() == "/run/a.sock");
  const Address name = *Address::from_unix_path("@name");
  CHECK(name.to_string() == "@name");
  // The length is part of an abstract name (unix(7)).
  CHECK(name.size_bytes() == offsetof(sockaddr_un, sun_path) + 5);
  CHECK(reinterpret_cast<const sockaddr_un*>(name.data())->sun_path[0] == '\0');
  CHECK(written_path("") == "fault");
  CHECK(written_path("@") == "fault");
  CHECK(written_path(std::string("/a\0b", 4)) == "fault");
}

TEST_CASE("address: the longest unix path and the longest abstract name") {
  const size_t size = sizeof(sockaddr_un{}.sun_path);
  const std::string path = "/" + std::string(size - 2, 'p');
  CHECK(written_path(path) == path);
  CHECK(written_path(path + "p") == "fault");
  const std::string name = "@" + std::string(size - 1, 'n');
  CHECK(written_path(name) == name);
  CHECK(written_path(name + "n") == "fault");
}

TEST_CASE("address: an IPv4-mapped address from the kernel is IPv4") {
  const Address mapped = from_in6("::ffff:192.0.2.7", 80);
  CHECK(mapped.family() == AF_INET);
  CHECK(mapped.to_string() == "192.0.2.7:80");
  CHECK(mapped == *Address::parse("192.0.2.7", 80));
  CHECK(from_in6("::1", 80) == *Address::parse("::1", 80));
  CHECK(from_in6("::192.0.2.7", 80).family() == AF_INET6);
}

TEST_CASE("address: what the kernel says of unnamed unix sockets is empty, not garbage") {
  sockaddr_storage storage = {};
  storage.ss_family = AF_UNIX;
  const Address address = Address::from_sockaddr(storage, sizeof(sa_family_t));
  CHECK(address.is_unix());
  CHECK(address.to_string().empty());
}

TEST_CASE("address: a socket address goes to the kernel's form and back") {
  for (const Address& address :
       {*Address::parse("192.0.2.7", 80), *Address::parse("2001:db8::1", 80),
        *Address::parse("fe80::1%1", 80), *Address::from_unix_path("/run/a.sock"),
        *Address::from_unix_path("@name")}) {
    sockaddr_storage storage = {};
    std::memcpy(&storage, address.data(), address.size_bytes());
    const Address back = Address::from_sockaddr(storage, address.size_bytes());
    CHECK(back == address);
    CHECK(back.to_string() == address.to_string());
  }
}

TEST_CASE("address: equality is of everything") {
  const Address address = *Address::parse("127.0.0.1", 80);
  CHECK(address == *Address::parse("127.0.0.1", 80));
  CHECK(!(address == *Address::parse("127.0.0.1", 81)));
  CHECK(!(address == *Address::parse("127.0.0.2", 80)));
  CHECK(!(address == Address()));
  CHECK(!(*Address::from_unix_path("/a") == *Address::from_unix_path("/ab")));
  CHECK(!(*Address::from_unix_path("@a") == *Address::from_unix_path("@ab")));
}

TEST_CASE("address: another port leaves the rest as it is") {
  CHECK(Address::parse("1.2.3.4", 1)->with_port(65535) == *Address::parse("1.2.3.4", 65535));
  CHECK(Address::parse("fe80::1%1", 1)->with_port(0) == *Address::parse("fe80::1%1", 0));
  const Address path = *Address::from_unix_path("/run/a.sock");
  CHECK(path.with_port(7) == path);
}

}  // namespace lb::net
