// What the keys of `proxyProtocol` come to in bytes.
#include "lb/proxy/preamble.h"

#include "lb/proxy/access_log.h"
#include "test/support/catch.h"
#include "test/support/socket.h"

namespace lb::proxy {
namespace {

const net::ProxiedPeer kPeer = {false, test::ip_address("1.2.3.4", 1),
                                test::ip_address("5.6.7.8", 2)};

}  // namespace

TEST_CASE("preamble: none unless the service asks for one") {
  CHECK(preamble_for({}, kPeer, 1).empty());
  CHECK(preamble_for({config::ProxyVersion::kNone, {.unique_id = true}}, kPeer, 1).empty());
}

TEST_CASE("preamble: the version that was asked for, and of its extras those that are known") {
  CHECK(preamble_for({config::ProxyVersion::kV1, {.crc32c = true}}, kPeer, 1) ==
        net::proxy_header_v1(kPeer));
  CHECK(preamble_for({config::ProxyVersion::kV2, {}}, kPeer, 1) == net::proxy_header_v2(kPeer));
  CHECK(preamble_for({config::ProxyVersion::kV2, {.authority = true, .alpn = true}}, kPeer, 1) ==
        net::proxy_header_v2(kPeer));
  CHECK(preamble_for({config::ProxyVersion::kV2, {.unique_id = true, .crc32c = true}}, kPeer,
                     0xabcd) ==
        net::proxy_header_v2(kPeer, {.unique_id = "000000000000abcd", .crc32c = true}));
}

TEST_CASE("preamble: what a client has said in TLS is told where it is asked for") {
  const TLSFacts tls = {"www.example.com", "h2"};
  const auto preamble = [&](const config::ProxyHeader& header) {
    return preamble_for(header, kPeer, 1, tls);
  };
  using enum config::ProxyVersion;
  CHECK(preamble({kV2, {.authority = true}}) ==
        net::proxy_header_v2(kPeer, {.authority = "www.example.com"}));
  CHECK(preamble({kV2, {.alpn = true}}) == net::proxy_header_v2(kPeer, {.alpn = "h2"}));
  CHECK(preamble({kV2, {.authority = true, .alpn = true, .unique_id = true, .crc32c = true}}) ==
        net::proxy_header_v2(kPeer, {"www.example.com", "h2", "0000000000000001", true}));
  CHECK(preamble({kV2, {}}) == net::proxy_header_v2(kPeer));
  CHECK(preamble({kV1, {.authority = true}}) == net::proxy_header_v1(kPeer));
}

TEST_CASE("preamble: TLS is asked for by two of the extras of version 2") {
  using enum config::ProxyVersion;
  CHECK(asks_for_tls({kV2, {.authority = true}}));
  CHECK(asks_for_tls({kV2, {.alpn = true}}));
  CHECK_FALSE(asks_for_tls({kV2, {.unique_id = true, .crc32c = true}}));
  CHECK_FALSE(asks_for_tls({kV1, {.authority = true, .alpn = true}}));
  CHECK_FALSE(asks_for_tls({}));
}

TEST_CASE("preamble: the unique id is the id of the access log") {
  CHECK(connection_id_text(0xabcd) == "000000000000abcd");
  CHECK(connection_id_text(UINT64_MAX) == "ffffffffffffffff");
}

TEST_CASE("preamble: a client that is nobody else's goes on as such") {
  net::ProxiedPeer local = kPeer;
  local.is_local = true;
  CHECK(preamble_for({config::ProxyVersion::kV1, {}}, local, 1) == "PROXY UNKNOWN\r\n");
  CHECK(preamble_for({config::ProxyVersion::kV2, {.unique_id = true}}, local, 1) ==
        net::proxy_header_v2(local));
}

}  // namespace lb::proxy
