#include "lb/proxy/snapshot.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace lb::proxy {
namespace {

class Compiler {
 public:
  Compiler(const config::Config& config, const config::Attachment& attachment,
           balance::EndpointRegistry& registry)
      : config_(config), attachment_(attachment), registry_(registry) {}

  absl::StatusOr<std::shared_ptr<const Snapshot>> run() {
    for (size_t i = 0; i < config_.tcp_routes.size(); ++i) {
      if (absl::Status status = add_route(i); !status.ok()) return status;
    }
    for (size_t i = 0; i < config_.gateways.size(); ++i) {
      if (absl::Status status = add_gateway(i); !status.ok()) return status;
    }
    return std::shared_ptr<const Snapshot>(std::move(snapshot_));
  }

 private:
  absl::Status add_route(size_t index) {
    const config::TCPRoute& route = config_.tcp_routes[index];
    const std::vector<config::ResolvedBackend>& resolved = attachment_.tcp_routes[index].backends;
    RouteSnapshot compiled;
    compiled.name = to_string(route.name);
    for (size_t i = 0; i < resolved.size(); ++i) {
      BackendSnapshot backend;
      backend.weight = route.rules.front().backend_refs[i].weight;
      compiled.has_weight |= backend.weight > 0;
      if (resolved[i].resolved()) {
        absl::StatusOr<size_t> service = service_of(resolved[i]);
        if (!service.ok()) return service.status();
        backend.service = *service;
      }
      compiled.backends.push_back(backend);
    }
    snapshot_->routes.push_back(std::move(compiled));
    return absl::OkStatus();
  }

  // Two ports of a service are two lists of endpoints, since their target ports differ.
  absl::StatusOr<size_t> service_of(const config::ResolvedBackend& backend) {
    const auto [entry, is_new] =
        services_.try_emplace({backend.service, backend.port}, snapshot_->services.size());
    if (!is_new) return entry->second;
    const config::Service& service = config_.services[backend.service];
    ServiceSnapshot compiled;
    compiled.name = to_string(service.name);
    compiled.policy = service.policy;
    compiled.is_standby = !backend.usable();
    for (const config::Endpoint& endpoint : service.endpoints) {
      if (endpoint.address.empty() && endpoint.path.empty()) continue;  // not resolved
      const uint16_t target_port = service.ports[backend.port].target_port;
      const absl::StatusOr<net::Address> address =
          endpoint.path.empty()
              ? net::Address::parse(endpoint.address, endpoint.port ? endpoint.port : target_port)
              : net::Address::from_unix_path(endpoint.path);
      if (!address.ok()) return address.status();
      const uint32_t max_connections =
          endpoint.max_connections > 0
              ? endpoint.max_connections
              : service.policy.circuit_breaker.per_endpoint_max_connections;
      compiled.endpoints.push_back({registry_.find_or_make(compiled.name, *address),
                                    endpoint.weight, endpoint.ready, endpoint.priority,
                                    max_connections});
    }
    if (compiled.policy.load_balancer == config::LoadBalancerType::kConsistentHash) {
      const config::ConsistentHash& hash = compiled.policy.consistent_hash;
      compiled.hash_tiers = balance::make_hash_tiers(compiled.endpoints, hash.table_size, hash.seed,
                                                     registry_.maglev_tables());
    }
    snapshot_->services.push_back(std::move(compiled));
    return snapshot_->services.size() - 1;
  }

  absl::Status add_gateway(size_t index) {
    const config::Gateway& gateway = config_.gateways[index];
    const config::AttachedGateway& attached = attachment_.gateways[index];
    for (size_t i = 0; i < gateway.listeners.size(); ++i) {
      if (!attached.serves(i)) continue;
      ListenerSnapshot compiled;
      compiled.gateway = to_string(gateway.name);
      compiled.name = gateway.listeners[i].name;
      compiled.route = attached.listeners[i].active_route;
      compiled.policy = gateway.listeners[i].policy;
      for (const std::string& value : attached.addresses) {
        const absl::StatusOr<net::Address> address =
            net::Address::parse(value, gateway.listeners[i].port);
        if (!address.ok()) return address.status();
        compiled.addresses.push_back(*address);
      }
      snapshot_->listeners.push_back(std::move(compiled));
    }
    return absl::OkStatus();
  }

  const config::Config& config_;
  const config::Attachment& attachment_;
  balance::EndpointRegistry& registry_;
  std::shared_ptr<Snapshot> snapshot_ = std::make_shared<Snapshot>();
  absl::flat_hash_map<std::pair<size_t, size_t>, size_t> services_;
};

}  // namespace

bool ServiceSnapshot::is_manned() const {
  return std::any_of(endpoints.begin(), endpoints.end(),
                     [](const balance::WeightedEndpoint& entry) { return entry.takes_part(); });
}

absl::StatusOr<std::shared_ptr<const Snapshot>> compile(const config::Config& config,
                                                        const config::Attachment& attachment,
                                                        balance::EndpointRegistry& registry) {
  return Compiler(config, attachment, registry).run();
}

}  // namespace lb::proxy
