// The endpoints that a deployed snapshot leads to, by the names that configuration and operator
// give them. Control thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "lb/balance/endpoint.h"
#include "lb/config/service.h"
#include "lb/proxy/snapshot.h"

namespace lb::control {

struct LiveEndpoint {
  std::shared_ptr<balance::Endpoint> endpoint;
  bool is_healthy = true;  // WeightedEndpoint::is_healthy()
  double weight = 0;       // now, while it starts slowly
};

// By service and balance::Endpoint::label().
using LiveEndpoints = absl::flat_hash_map<std::pair<std::string, std::string>, LiveEndpoint>;

LiveEndpoints live_endpoints(const proxy::Snapshot& snapshot);

// What balance::Endpoint::label() of it is, "" when it has no address yet. An endpoint without a
// port has its service port's.
std::string label_of(const config::Endpoint& endpoint, uint16_t target_port);

}  // namespace lb::control
