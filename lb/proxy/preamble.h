// What a service's connections begin with, before the first byte of a client: a PROXY header, or
// nothing.
#pragma once

#include <cstdint>
#include <string>

#include "lb/config/service.h"
#include "lb/net/proxy_header.h"
#include "lb/proxy/tls_facts.h"

namespace lb::proxy {

// Empty when the service wants no header. `id` is the connection's: the unique id that the header
// tells is the text of the access log. `tls` matters when the header asks for it.
std::string preamble_for(const config::ProxyHeader& header, const net::ProxiedPeer& peer,
                         uint64_t id, const TLSFacts& tls = {});

// Whether the header tells something of the client's TLS.
bool asks_for_tls(const config::ProxyHeader& header);

}  // namespace lb::proxy
