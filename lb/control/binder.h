// Opens the listening sockets: one per worker and address, all of an address or none. Control
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lb/proxy/snapshot.h"
#include "lb/proxy/worker.h"

namespace lb::control {

// An address that could not be bound, and why: an errno.
struct BindFailure {
  size_t listener = 0;  // index into Snapshot::listeners
  std::string address;
  int error = 0;
};

// Which addresses are open, and with what option: whoever is in here is never opened again, since
// closing a socket of a SO_REUSEPORT group resets its queue.
using OpenAddresses = absl::flat_hash_map<std::string, size_t>;  // to the listener's index

struct BoundSockets {
  std::vector<std::vector<proxy::BoundListener>> by_worker;  // the new ones and those that stay
  std::vector<BindFailure> failures;
  OpenAddresses open;  // as it is once the workers have adopted them
};

// Opens what `snapshot` has and `open` does not. An address that cannot be bound is a failure of
// its own and keeps nobody else from being served. Where a host has no IPv6, "::" becomes 0.0.0.0.
BoundSockets bind_listeners(const proxy::Snapshot& snapshot, uint32_t workers,
                            const OpenAddresses& open);

}  // namespace lb::control
