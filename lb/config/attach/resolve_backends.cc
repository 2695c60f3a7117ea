// What every backendRef comes to. A reference that leads nowhere stays in the list: its share of
// the connections is refused, never given to the others.
#include <fmt/format.h>

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "lb/config/attach/attach_steps.h"

namespace lb::config {
namespace {

bool has_usable_endpoint(const Service& service) {
  return std::any_of(service.endpoints.begin(), service.endpoints.end(),
                     [](const Endpoint& endpoint) { return endpoint.usable(); });
}

class Resolver {
 public:
  Resolver(const Config& config, Attachment& out) : config_(config), out_(out) {
    for (size_t s = 0; s < config.services.size(); ++s) {
      services_.try_emplace(config.services[s].name, s);
    }
    for (const ReferenceGrant& grant : config.reference_grants) {
      grants_[grant.name.ns].push_back(&grant);
    }
  }

  void resolve(std::string_view kind, const Route& route, std::vector<ResolvedBackend>& backends) {
    kind_ = kind;
    for (const RouteRule& rule : route.rules) resolve_rule(route, rule, backends);
  }

 private:
  void resolve_rule(const Route& route, const RouteRule& rule,
                    std::vector<ResolvedBackend>& backends) {
    uint64_t sum = 0;
    for (const BackendRef& ref : rule.backend_refs) sum += ref.weight;
    for (const BackendRef& ref : rule.backend_refs) {
      share_ =
          ref.weight == 0
              ? ""
              : fmt::format("; its share of the connections, {:.3g}%, is refused",
                            100.0 * static_cast<double>(ref.weight) / static_cast<double>(sum));
      backends.push_back(resolve(route.name.ns, ref));
    }
    if (sum == 0) {
      add_finding(out_, FaultCode::kAllWeightsZero, Reason::kEndpointsNotFound, rule.where,
                  fmt::format("all weights of route \"{}\" are 0: it refuses every connection",
                              to_string(route.name)));
    }
  }

  // In the API's order: whether a forbidden service exists must not show.
  ResolvedBackend resolve(const std::string& route_ns, const BackendRef& ref) {
    if (!ref.is_service()) {
      return fail(ref, FaultCode::kInvalidKind, Reason::kInvalidKind,
                  fmt::format("a backend of kind {}{}{} is not supported: it must be a Service",
                              ref.group, ref.group.empty() ? "" : "/", ref.kind));
    }
    if (ref.name.ns != route_ns && !granted(route_ns, ref.name)) {
      return fail(ref, FaultCode::kRefNotPermitted, Reason::kRefNotPermitted,
                  fmt::format("no referenceGrant in namespace \"{}\" permits service \"{}\" to "
                              "{}s of namespace \"{}\"",
                              ref.name.ns, to_string(ref.name), kind_, route_ns));
    }
    const auto found = services_.find(ref.name);
    if (found == services_.end()) {
      return fail(ref, FaultCode::kBackendNotFound, Reason::kBackendNotFound,
                  fmt::format("there is no service \"{}\"", to_string(ref.name)),
                  suggest_object(out_, ref.name, config_.services));
    }
    return resolve_port(ref, found->second);
  }

  ResolvedBackend resolve_port(const BackendRef& ref, size_t index) {
    const Service& service = config_.services[index];
    bool other_protocol = false;
    for (size_t p = 0; p < service.ports.size(); ++p) {
      if (service.ports[p].port != ref.port) continue;
      if (service.ports[p].protocol != "TCP") {
        other_protocol = true;
        continue;
      }
      if (has_usable_endpoint(service)) return {Reason::kResolvedRefs, index, p};
      ResolvedBackend backend =
          fail(ref, FaultCode::kEndpointsNotFound, Reason::kEndpointsNotFound,
               fmt::format("service \"{}\" has no ready endpoint", to_string(service.name)));
      backend.service = index;
      backend.port = p;
      return backend;
    }
    if (other_protocol) {
      return fail(ref, FaultCode::kUnsupportedBackendProtocol, Reason::kUnsupportedProtocol,
                  fmt::format("port {} of service \"{}\" is not a TCP port", ref.port,
                              to_string(service.name)));
    }
    return fail(ref, FaultCode::kBackendNotFound, Reason::kBackendNotFound,
                fmt::format("service \"{}\" has no port {}", to_string(service.name), ref.port),
                suggest_port(service, ref.port));
  }

  // A backendRef names the service's port; the target port in its place is the usual mistake.
  static std::string suggest_port(const Service& service, uint16_t wanted) {
    for (const ServicePort& port : service.ports) {
      if (port.target_port == wanted) return std::to_string(port.port);
    }
    return service.ports.size() == 1 ? std::to_string(service.ports.front().port) : "";
  }

  bool granted(const std::string& route_ns, const ObjectName& service) const {
    const auto found = grants_.find(service.ns);
    return found != grants_.end() &&
           std::any_of(found->second.begin(), found->second.end(),
                       [&](const ReferenceGrant* grant) {
                         return permits(*grant, kind_, route_ns, service.name);
                       });
  }

  ResolvedBackend fail(const BackendRef& ref, FaultCode code, Reason reason,
                       const std::string& message, std::string_view suggestion = {}) {
    add_finding(out_, code, reason, ref.where, message + share_, suggestion);
    return {reason, 0, 0, message};
  }

  const Config& config_;
  Attachment& out_;
  absl::flat_hash_map<ObjectName, size_t> services_;
  absl::flat_hash_map<std::string, std::vector<const ReferenceGrant*>> grants_;  // by namespace
  std::string_view kind_;  // of the route in hand
  std::string share_;      // of the backendRef in hand, for its finding
};

}  // namespace

bool permits(const ReferenceGrant& grant, std::string_view route_kind, std::string_view route_ns,
             std::string_view service) {
  const bool from =
      std::any_of(grant.from.begin(), grant.from.end(), [&](const ReferenceGrantFrom& entry) {
        return entry.group == kGatewayGroup && entry.kind == route_kind && entry.ns == route_ns;
      });
  return from && std::any_of(grant.to.begin(), grant.to.end(), [&](const ReferenceGrantTo& entry) {
           return entry.group.empty() && entry.kind == "Service" &&
                  (!entry.name || *entry.name == service);
         });
}

void resolve_backends(const Config& config, Attachment& out) {
  Resolver resolver(config, out);
  for (size_t i = 0; i < config.tcp_routes.size(); ++i) {
    resolver.resolve("TCPRoute", config.tcp_routes[i], out.tcp_routes[i].backends);
  }
  for (size_t i = 0; i < config.tls_routes.size(); ++i) {
    resolver.resolve("TLSRoute", config.tls_routes[i], out.tls_routes[i].backends);
  }
}

}  // namespace lb::config
