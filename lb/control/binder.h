// Opens the listening sockets: one per worker and address, all of an address or none. Control
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lb/proxy/snapshot.h"
#include "lb/proxy/worker.h"

namespace lb::control {

struct BindFailure {
  size_t listener = 0;  // index into Snapshot::listeners
  std::string address;
  std::string why;
};

struct BoundSockets {
  std::vector<std::vector<proxy::BoundListener>> by_worker;
  std::vector<BindFailure> failures;
  size_t bound_addresses = 0;
};

// An address that cannot be bound is a failure of its own and keeps nobody else from being served.
// Where a host has no IPv6, "::" becomes 0.0.0.0.
BoundSockets bind_listeners(const proxy::Snapshot& snapshot, uint32_t workers);

}  // namespace lb::control
