// The PROXY header in front of a check: the connection is ours, and no client's.
#pragma once

#include <string>

#include "lb/config/service.h"
#include "lb/net/address.h"

namespace lb::health {

// Version 2 says LOCAL. Version 1 names our own address and the server's, since many servers turn
// UNKNOWN away; it says UNKNOWN of a unix socket only, which has no other word for it. Empty for
// ProxyVersion::kNone.
std::string own_header(config::ProxyVersion version, const net::Address& local,
                       const net::Address& server);

}  // namespace lb::health
