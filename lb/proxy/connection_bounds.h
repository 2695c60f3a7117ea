// The bounds on the connections of services and endpoints. They belong to what connections of all
// configurations share (balance/endpoint.h), so the configuration that is served sets them, at once
// for all workers and for whoever waits.
#pragma once

#include "lb/proxy/snapshot.h"

namespace lb::proxy {

// Whoever is beyond a lower bound stays; who waits and has room now gets it. Control thread.
void set_connection_bounds(const Snapshot& snapshot);

}  // namespace lb::proxy
