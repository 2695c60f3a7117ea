// Which routes attach to which listeners, and which of them carries the traffic.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "lb/config/attach/attach_steps.h"

namespace lb::config {
namespace {

using GatewayIndex = absl::flat_hash_map<ObjectName, size_t>;

bool is_gateway(const ParentRef& ref) {
  return ref.group == kGatewayGroup && ref.kind == "Gateway";
}

bool selects(const ParentRef& ref, const Listener& listener) {
  return (!ref.section_name || *ref.section_name == listener.name) &&
         (!ref.port || *ref.port == listener.port);
}

// The labels of every namespace, the implied one included.
class NamespaceLabels {
 public:
  explicit NamespaceLabels(const Config& config) {
    for (const Namespace& ns : config.namespaces) add(ns.name, ns.labels);
  }

  const Labels& of(const std::string& ns) {
    const auto found = labels_.find(ns);
    return found == labels_.end() ? add(ns, {}) : found->second;
  }

 private:
  const Labels& add(const std::string& ns, Labels labels) {
    labels.insert_or_assign(std::string(kNamespaceNameLabel), ns);
    return labels_.insert_or_assign(ns, std::move(labels)).first->second;
  }

  absl::flat_hash_map<std::string, Labels> labels_;
};

// "named \"foo\" on port 8000".
std::string selection(const ParentRef& ref) {
  std::string out;
  if (ref.section_name) out += fmt::format(" named \"{}\"", *ref.section_name);
  if (ref.port) out += fmt::format(" on port {}", *ref.port);
  return out;
}

class RouteAttacher {
 public:
  RouteAttacher(const Config& config, Attachment& out)
      : config_(config), out_(out), namespaces_(config) {
    for (size_t g = 0; g < config.gateways.size(); ++g) {
      gateways_.try_emplace(config.gateways[g].name, g);
    }
  }

  void attach_tcp(size_t route) {
    const std::vector<ParentRef>& refs = config_.tcp_routes[route].parent_refs;
    std::vector<AttachedParent>& parents = out_.tcp_routes[route].parents;
    parents.resize(refs.size());
    for (size_t i = 0; i < refs.size(); ++i) {
      attach_parent(config_.tcp_routes[route], "TCPRoute", refs[i], parents[i]);
    }
    count(route);
  }

  void attach_tls(size_t route) {
    const std::vector<ParentRef>& refs = config_.tls_routes[route].parent_refs;
    std::vector<AttachedParent>& parents = out_.tls_routes[route].parents;
    parents.resize(refs.size());
    for (size_t i = 0; i < refs.size(); ++i) {
      attach_parent(config_.tls_routes[route], "TLSRoute", refs[i], parents[i]);
    }
  }

  // After all routes are attached.
  void report_superseded(size_t route) {
    const std::vector<ParentRef>& refs = config_.tcp_routes[route].parent_refs;
    for (size_t i = 0; i < refs.size(); ++i) {
      for (const ListenerIndex& index : out_.tcp_routes[route].parents[i].listeners) {
        const size_t active = *listener_at(index).active_route;
        if (active == route) continue;
        add_finding(out_, FaultCode::kSuperseded, Reason::kAccepted, refs[i].where,
                    fmt::format("tcpRoute \"{}\" gets no traffic from {}: tcpRoute \"{}\" is older "
                                "or comes first by name",
                                to_string(config_.tcp_routes[route].name), describe(config_, index),
                                to_string(config_.tcp_routes[active].name)));
      }
    }
  }

 private:
  AttachedListener& listener_at(const ListenerIndex& index) {
    return out_.gateways[index.gateway].listeners[index.listener];
  }

  void attach_parent(const Route& route, std::string_view kind, const ParentRef& ref,
                     AttachedParent& parent) {
    const auto found = is_gateway(ref) ? gateways_.find(ref.name) : gateways_.end();
    if (found == gateways_.end()) return refuse_missing_gateway(ref, parent);
    const size_t g = found->second;
    const Gateway& gateway = config_.gateways[g];
    bool selected_any = false;
    for (size_t l = 0; l < gateway.listeners.size(); ++l) {
      if (!selects(ref, gateway.listeners[l])) continue;
      selected_any = true;
      if (kind == "TCPRoute" && out_.gateways[g].listeners[l].takes_tcp_routes &&
          allows_namespace(gateway, gateway.listeners[l], route)) {
        parent.listeners.push_back({g, l});
      }
    }
    if (!parent.listeners.empty()) return;
    if (selected_any) return refuse_not_allowed(route, kind, ref, parent);
    refuse_no_listener(gateway, ref, parent);
  }

  bool allows_namespace(const Gateway& gateway, const Listener& listener, const Route& route) {
    switch (listener.allowed_routes.from) {
      case FromNamespaces::kSame:
        return gateway.name.ns == route.name.ns;
      case FromNamespaces::kAll:
        return true;
      case FromNamespaces::kSelector:
        return matches(listener.allowed_routes.selector, namespaces_.of(route.name.ns));
    }
    return false;
  }

  // A route counts once on a listener, however many of its parentRefs select it.
  void count(size_t route) {
    std::vector<ListenerIndex> counted;
    for (const AttachedParent& parent : out_.tcp_routes[route].parents) {
      for (const ListenerIndex& index : parent.listeners) {
        if (std::find(counted.begin(), counted.end(), index) != counted.end()) continue;
        counted.push_back(index);
        AttachedListener& listener = listener_at(index);
        ++listener.attached_routes;
        if (!listener.active_route || comes_before(route, *listener.active_route)) {
          listener.active_route = route;
        }
      }
    }
  }

  bool comes_before(size_t a, size_t b) const {
    const TCPRoute& left = config_.tcp_routes[a];
    const TCPRoute& right = config_.tcp_routes[b];
    return std::tie(left.creation_time_ms, left.name) <
           std::tie(right.creation_time_ms, right.name);
  }

  void refuse(const ParentRef& ref, AttachedParent& parent, FaultCode code, Reason reason,
              std::string why, std::string_view suggestion = {}) {
    parent.accepted = reason;
    parent.accepted_why = std::move(why);
    add_finding(out_, code, reason, ref.where, parent.accepted_why, suggestion);
  }

  void refuse_missing_gateway(const ParentRef& ref, AttachedParent& parent) {
    const bool right_kind = is_gateway(ref);
    refuse(ref, parent, FaultCode::kNoMatchingParent, Reason::kNoMatchingParent,
           right_kind ? fmt::format("there is no gateway \"{}\"", to_string(ref.name))
                      : fmt::format("a parent of kind {}/{} is not supported: it must be a "
                                    "Gateway of {}",
                                    ref.group, ref.kind, kGatewayGroup),
           right_kind ? suggest_object(out_, ref.name, config_.gateways) : "");
  }

  void refuse_no_listener(const Gateway& gateway, const ParentRef& ref, AttachedParent& parent) {
    std::vector<std::string_view> names;
    for (const Listener& listener : gateway.listeners) names.push_back(listener.name);
    refuse(ref, parent, FaultCode::kNoMatchingParent, Reason::kNoMatchingParent,
           fmt::format("gateway \"{}\" has no listener{}", to_string(gateway.name), selection(ref)),
           ref.section_name && !ref.port ? util::suggest(*ref.section_name, names) : "");
  }

  void refuse_not_allowed(const Route& route, std::string_view kind, const ParentRef& ref,
                          AttachedParent& parent) {
    std::string why = kind == "TCPRoute"
                          ? fmt::format(
                                "no listener{} of gateway \"{}\" takes a TCPRoute from namespace "
                                "\"{}\": see its protocol and allowedRoutes",
                                selection(ref), to_string(ref.name), route.name.ns)
                          : fmt::format(
                                "no listener{} of gateway \"{}\" takes a {}: this version serves "
                                "protocol TCP and TCPRoutes only",
                                selection(ref), to_string(ref.name), kind);
    refuse(ref, parent, FaultCode::kNotAllowedByListeners, Reason::kNotAllowedByListeners,
           std::move(why));
  }

  const Config& config_;
  Attachment& out_;
  GatewayIndex gateways_;
  NamespaceLabels namespaces_;
};

}  // namespace

void attach_routes(const Config& config, Attachment& out) {
  out.tcp_routes.resize(config.tcp_routes.size());
  out.tls_routes.resize(config.tls_routes.size());
  RouteAttacher attacher(config, out);
  for (size_t route = 0; route < config.tcp_routes.size(); ++route) attacher.attach_tcp(route);
  for (size_t route = 0; route < config.tcp_routes.size(); ++route) {
    attacher.report_superseded(route);
  }
  for (size_t route = 0; route < config.tls_routes.size(); ++route) attacher.attach_tls(route);
}

}  // namespace lb::config
