// Where the connections of a check come from: as a service's `source` says, which a server may let
// in alone. A check has no client whose address it could have. A value.
#pragma once

#include <string>
#include <vector>

#include "lb/config/service.h"
#include "lb/event/engine.h"
#include "lb/net/address.h"

namespace lb::health {

struct CheckSource {
  // Of so many one is there, and all of a big pool are much to keep for each check.
  static constexpr size_t kMaxAddresses = 4;

  std::vector<net::Address> addresses;  // the first that this host has; none = the kernel's choice
  std::string interface;                // empty = any

  friend bool operator==(const CheckSource&, const CheckSource&) = default;
};

// Towards servers of this family: AF_INET or AF_INET6, for a unix socket has none.
CheckSource check_source(const config::UpstreamSource& policy, int family);

// Before the connect: 0, or -errno of what this host denies.
int take_source(event::Engine& engine, int fd, const CheckSource& source);

}  // namespace lb::health
