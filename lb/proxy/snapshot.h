// A configuration compiled for the data path: immutable, shared by all workers, indexed instead of
// searched. Its endpoints come from a registry, so they are the same objects as those of snapshots
// before it, where service and address are the same.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lb/balance/endpoint_registry.h"
#include "lb/balance/hash_tier.h"
#include "lb/balance/weighted_endpoint.h"
#include "lb/config/attach/attach.h"
#include "lb/config/model.h"
#include "lb/net/address.h"
#include "lb/proxy/close_reason.h"

namespace lb::proxy {

// A service as seen through one of its ports.
struct ServiceSnapshot {
  std::string name;
  std::vector<balance::WeightedEndpoint> endpoints;  // all, for what is unusable may be made usable
  config::ServicePolicy policy;
  std::vector<balance::HashTier> hash_tiers;  // by priority, for ConsistentHash; else none
  // By the file nobody is there to be chosen: it refuses at the door until an operator has made an
  // endpoint usable.
  bool is_standby = false;

  // Whether some endpoint may be chosen, whatever its health.
  bool is_manned() const;
};

// One share of a route's connections. Without a service it refuses its share.
struct BackendSnapshot {
  uint32_t weight = 0;
  std::optional<size_t> service;  // index into Snapshot::services
};

struct RouteSnapshot {
  std::string name;
  std::vector<BackendSnapshot> backends;
  bool has_weight = false;  // some weight is above zero
};

struct ListenerSnapshot {
  std::string gateway;
  std::string name;
  std::vector<net::Address> addresses;  // what it listens on
  std::optional<size_t> route;          // index into Snapshot::routes; none = refuse
  config::ListenerPolicy policy;
};

struct Snapshot {
  std::vector<ListenerSnapshot> listeners;  // those that are served
  std::vector<RouteSnapshot> routes;        // as Config::tcp_routes
  std::vector<ServiceSnapshot> services;
};

// Fails only on an address that validation should have refused.
absl::StatusOr<std::shared_ptr<const Snapshot>> compile(const config::Config& config,
                                                        const config::Attachment& attachment,
                                                        balance::EndpointRegistry& registry);

}  // namespace lb::proxy
