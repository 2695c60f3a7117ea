// What is known of a client's TLS, which is relayed as it is.
#pragma once

#include <string>

namespace lb::proxy {

// Empty = it has not said, or not in time. Fit to be written anywhere (net/client_hello.h).
struct TLSFacts {
  std::string authority = {};  // the host that it wants
  // The protocol that it would like most (RFC 7301 section 3.1); the server may take another of its
  // offers, which is known only when the header has long gone.
  std::string alpn = {};
};

}  // namespace lb::proxy
