// Relays that do nothing but relay: no configuration, timers, limits, log or statistics. What they
// cost is the floor for a real one.
#pragma once

#include <vector>

#include "lb/net/address.h"

namespace lb::bench {

// Each serves on `listen`, dials those of `to` in turn, and only returns on failure: -errno.
int relay_by_epoll(const net::Address& listen, const std::vector<net::Address>& to);
int relay_by_splice(const net::Address& listen, const std::vector<net::Address>& to);
// -ENOSYS in a build without io_uring.
int relay_by_uring(const net::Address& listen, const std::vector<net::Address>& to);

}  // namespace lb::bench
