#include "lb/proxy/connection_bounds.h"

namespace lb::proxy {

void set_connection_bounds(const Snapshot& snapshot) {
  for (const ServiceSnapshot& service : snapshot.services) {
    for (const balance::WeightedEndpoint& entry : service.endpoints) {
      entry.endpoint->set_max_connections(entry.max_connections);
    }
    if (service.endpoints.empty()) continue;
    balance::ServiceState& state = service.endpoints.front().endpoint->service();
    state.slots().set_bound(service.policy.circuit_breaker.max_connections);
    if (!state.pending().is_empty()) state.pending().admit(nullptr);
  }
}

}  // namespace lb::proxy
