// The PROXY protocol's headers, versions 1 and 2, as a sender writes them: in front of the first
// byte of a connection they tell a server whom it really talks to (haproxy.org,
// doc/proxy-protocol.txt). Pure functions: from values to bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lb/net/address.h"

namespace lb::net {

// As whom a server is to see the client, and whom the client has called. An IPv4-mapped IPv6
// address counts as IPv4.
struct ProxiedPeer {
  // The connection is nobody else's: a health check, or a client that came as LOCAL or UNKNOWN. The
  // addresses do not matter then.
  bool is_local = false;
  Address source = {};
  Address destination = {};
};

// What a header of version 2 tells beside the addresses. An empty value is left out, and so is one
// that is longer than kMaxProxyValueBytes.
struct ProxyExtras {
  std::string_view authority = {};  // the name that the client has asked for (SNI)
  std::string_view alpn = {};       // the protocol inside, as in the ALPN extension of TLS
  std::string_view unique_id = {};
  bool crc32c = false;  // a checksum of the header
};

// Of a name in DNS, and of a protocol's name in ALPN. It keeps a header far below a segment.
inline constexpr size_t kMaxProxyValueBytes = 255;

// Version 1: a line. UNKNOWN when the peer is local, or one of the addresses is no IP; with an
// address of each family both are written as IPv6, the other one as IPv4-mapped, since a line has
// one family.
std::string proxy_header_v1(const ProxiedPeer& peer);

// Version 2: binary. LOCAL without addresses or extras when the peer is local; UNSPEC, with the
// extras, when one of the addresses is no IP; mixed families as in version 1.
std::string proxy_header_v2(const ProxiedPeer& peer, const ProxyExtras& extras = {});

}  // namespace lb::net
