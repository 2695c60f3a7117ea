// Warnings about what loads and is served, but was hardly meant.
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "lb/config/attach/attach_steps.h"
#include "lb/config/ip_text.h"

namespace lb::config {
namespace {

using Socket = std::pair<std::string, uint16_t>;
using Sockets = absl::flat_hash_map<Socket, ListenerIndex>;

void advise_on_listeners(const Config& config, Attachment& out) {
  for (size_t g = 0; g < config.gateways.size(); ++g) {
    for (size_t l = 0; l < config.gateways[g].listeners.size(); ++l) {
      if (!out.gateways[g].serves(l) || out.gateways[g].listeners[l].active_route) continue;
      add_finding(out, FaultCode::kListenerWithoutRoute, Reason::kNone,
                  config.gateways[g].listeners[l].where,
                  fmt::format("no route is attached to {}: its connections are refused",
                              describe(config, {g, l})));
    }
  }
}

Sockets listening_sockets(const Config& config, const Attachment& out) {
  Sockets sockets;
  for (size_t g = 0; g < config.gateways.size(); ++g) {
    const std::vector<Listener>& listeners = config.gateways[g].listeners;
    for (size_t l = 0; l < listeners.size(); ++l) {
      if (!out.gateways[g].serves(l)) continue;
      for (const std::string& address : out.gateways[g].addresses) {
        sockets.try_emplace({address, listeners[l].port}, ListenerIndex{g, l});
        if (address == "::")
          sockets.try_emplace({"0.0.0.0", listeners[l].port}, ListenerIndex{g, l});
      }
    }
  }
  return sockets;
}

// The listener that a connection to this address reaches. Of this host's own addresses only the
// loopback ones can be known here.
const ListenerIndex* listener_behind(const Sockets& sockets, const std::string& ip, uint16_t port) {
  const auto exact = sockets.find({ip, port});
  if (exact != sockets.end()) return &exact->second;
  const bool loopback4 = ip.starts_with("127.");
  if (!loopback4 && ip != "::1") return nullptr;
  const auto wildcard = sockets.find({loopback4 ? "0.0.0.0" : "::", port});
  return wildcard == sockets.end() ? nullptr : &wildcard->second;
}

void advise_on_loops(const Config& config, Attachment& out) {
  const Sockets sockets = listening_sockets(config, out);
  for (const Service& service : config.services) {
    for (const ServicePort& port : service.ports) {
      for (const Endpoint& endpoint : service.endpoints) {
        if (endpoint.address.empty()) continue;
        const std::string ip = canonical_ip(endpoint.address);
        const uint16_t number = endpoint.port != 0 ? endpoint.port : port.target_port;
        const ListenerIndex* own = listener_behind(sockets, ip, number);
        if (own == nullptr) continue;
        add_finding(out, FaultCode::kLoop, Reason::kNone, endpoint.where,
                    fmt::format("endpoint {} port {} of service \"{}\" is our own {}: connections "
                                "may go round in a circle",
                                ip, number, to_string(service.name), describe(config, *own)));
      }
    }
  }
}

// What the routes refer to, and the namespaces that anything is in.
class Usage {
 public:
  explicit Usage(const Config& config) {
    for (const ReferenceGrant& grant : config.reference_grants) {
      grants_[grant.name.ns].push_back(&grant);
    }
    for (const TCPRoute& route : config.tcp_routes) add("TCPRoute", route);
    for (const TLSRoute& route : config.tls_routes) add("TLSRoute", route);
    for (const Gateway& gateway : config.gateways) namespaces_.insert(gateway.name.ns);
    for (const Service& service : config.services) namespaces_.insert(service.name.ns);
    for (const auto& [ns, grants] : grants_) namespaces_.insert(ns);
  }

  bool has(const Service& service) const { return services_.contains(service.name); }
  bool has(const ReferenceGrant& grant) const { return used_grants_.contains(&grant); }
  bool has(const Namespace& ns) const { return namespaces_.contains(ns.name); }

 private:
  void add(std::string_view kind, const Route& route) {
    namespaces_.insert(route.name.ns);
    for (const RouteRule& rule : route.rules) {
      for (const BackendRef& ref : rule.backend_refs) {
        if (!ref.is_service()) continue;
        services_.insert(ref.name);
        if (ref.name.ns != route.name.ns) use_grants(kind, route.name.ns, ref.name);
      }
    }
  }

  void use_grants(std::string_view kind, std::string_view route_ns, const ObjectName& service) {
    const auto found = grants_.find(service.ns);
    if (found == grants_.end()) return;
    for (const ReferenceGrant* grant : found->second) {
      if (permits(*grant, kind, route_ns, service.name)) used_grants_.insert(grant);
    }
  }

  absl::flat_hash_set<ObjectName> services_;
  absl::flat_hash_set<std::string> namespaces_;
  absl::flat_hash_map<std::string, std::vector<const ReferenceGrant*>> grants_;  // by namespace
  absl::flat_hash_set<const ReferenceGrant*> used_grants_;
};

void advise_on_unused(const Config& config, Attachment& out) {
  const Usage usage(config);
  const auto unused = [&](SourcePosition where, std::string message) {
    add_finding(out, FaultCode::kUnused, Reason::kNone, where, std::move(message));
  };
  const auto check_parents = [&](std::string_view noun, const Route& route) {
    if (!route.parent_refs.empty()) return;
    unused(route.where, fmt::format("{} \"{}\" has no parentRefs: it is attached to nothing", noun,
                                    to_string(route.name)));
  };
  for (const TCPRoute& route : config.tcp_routes) check_parents("tcpRoute", route);
  for (const TLSRoute& route : config.tls_routes) check_parents("tlsRoute", route);
  for (const Service& service : config.services) {
    if (usage.has(service)) continue;
    unused(service.where,
           fmt::format("service \"{}\" is used by no route", to_string(service.name)));
  }
  for (const ReferenceGrant& grant : config.reference_grants) {
    if (usage.has(grant)) continue;
    unused(grant.where,
           fmt::format("referenceGrant \"{}\" permits nothing that any route refers to",
                       to_string(grant.name)));
  }
  for (const Namespace& ns : config.namespaces) {
    if (usage.has(ns)) continue;
    unused(ns.where, fmt::format("nothing is in namespace \"{}\"", ns.name));
  }
}

}  // namespace

void add_advice(const Config& config, Attachment& out) {
  advise_on_listeners(config, out);
  advise_on_loops(config, out);
  advise_on_unused(config, out);
}

}  // namespace lb::config
