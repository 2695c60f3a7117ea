// What going from one configuration to another would change, counted. Control thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lb/control/deployment.h"
#include "lb/proxy/stats.h"

namespace lb::control {

struct ChangeCount {
  size_t added = 0;
  size_t removed = 0;
  size_t changed = 0;
};

struct Diff {
  ChangeCount listeners;  // by gateway and name; changed = its addresses, route or settings
  ChangeCount routes;     // by name; changed = where it attaches or what it sends where
  ChangeCount endpoints;  // by service and address; changed = its weight, or its service's settings
  // Live connections that would go on, on something that nobody else gets to any more.
  uint64_t connections_on_removed_listeners = 0;
  uint64_t connections_on_removed_endpoints = 0;
};

Diff diff(const Deployed& from, const Deployed& to,
          const std::vector<const proxy::WorkerStats*>& stats);

// How many connections of that listener live.
uint64_t live_connections(const proxy::ListenerStats& stats);

}  // namespace lb::control
