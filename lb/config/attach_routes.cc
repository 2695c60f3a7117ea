// Which routes attach to which listeners, and which of them carries the traffic.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "lb/config/attach_steps.h"

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

bool allows_namespace(const Gateway& gateway, const Listener& listener, const TCPRoute& route) {
  return listener.allowed_routes.from == FromNamespaces::kAll || gateway.name.ns == route.name.ns;
}

// "named \"foo\" on port 8000".
std::string selection(const ParentRef& ref) {
  std::string out;
  if (ref.section_name) out += fmt::format(" named \"{}\"", *ref.section_name);
  if (ref.port) out += fmt::format(" on port {}", *ref.port);
  return out;
}

class RouteAttacher {
 public:
  RouteAttacher(const Config& config, Attachment& out) : config_(config), out_(out) {
    for (size_t g = 0; g < config.gateways.size(); ++g) {
      gateways_.try_emplace(config.gateways[g].name, g);
    }
  }

  void attach(size_t route) {
    const std::vector<ParentRef>& refs = config_.tcp_routes[route].parent_refs;
    std::vector<AttachedParent>& parents = out_.tcp_routes[route].parents;
    parents.resize(refs.size());
    for (size_t i = 0; i < refs.size(); ++i) attach_parent(route, refs[i], parents[i]);
    count(route);
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

  void attach_parent(size_t route, const ParentRef& ref, AttachedParent& parent) {
    const auto found = is_gateway(ref) ? gateways_.find(ref.name) : gateways_.end();
    if (found == gateways_.end()) {
      parent.accepted = Reason::kNoMatchingParent;
      report_missing_gateway(ref);
      return;
    }
    const size_t g = found->second;
    const Gateway& gateway = config_.gateways[g];
    bool selected_any = false;
    for (size_t l = 0; l < gateway.listeners.size(); ++l) {
      if (!selects(ref, gateway.listeners[l])) continue;
      selected_any = true;
      if (out_.gateways[g].listeners[l].takes_tcp_routes &&
          allows_namespace(gateway, gateway.listeners[l], config_.tcp_routes[route])) {
        parent.listeners.push_back({g, l});
      }
    }
    if (!parent.listeners.empty()) return;
    if (selected_any) {
      parent.accepted = Reason::kNotAllowedByListeners;
      report_not_allowed(route, ref);
    } else {
      parent.accepted = Reason::kNoMatchingParent;
      report_no_listener(gateway, ref);
    }
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

  void report_missing_gateway(const ParentRef& ref) {
    const bool right_kind = is_gateway(ref);
    add_finding(out_, FaultCode::kNoMatchingParent, Reason::kNoMatchingParent, ref.where,
                right_kind ? fmt::format("there is no gateway \"{}\"", to_string(ref.name))
                           : fmt::format("a parent of kind {}/{} is not supported: it must be a "
                                         "Gateway of {}",
                                         ref.group, ref.kind, kGatewayGroup),
                right_kind ? suggest_object(out_, ref.name, config_.gateways) : "");
  }

  void report_no_listener(const Gateway& gateway, const ParentRef& ref) {
    std::vector<std::string_view> names;
    for (const Listener& listener : gateway.listeners) names.push_back(listener.name);
    add_finding(
        out_, FaultCode::kNoMatchingParent, Reason::kNoMatchingParent, ref.where,
        fmt::format("gateway \"{}\" has no listener{}", to_string(gateway.name), selection(ref)),
        ref.section_name && !ref.port ? util::suggest(*ref.section_name, names) : "");
  }

  void report_not_allowed(size_t route, const ParentRef& ref) {
    add_finding(
        out_, FaultCode::kNotAllowedByListeners, Reason::kNotAllowedByListeners, ref.where,
        fmt::format("no listener{} of gateway \"{}\" takes a TCPRoute from namespace "
                    "\"{}\": see its protocol and allowedRoutes",
                    selection(ref), to_string(ref.name), config_.tcp_routes[route].name.ns));
  }

  const Config& config_;
  Attachment& out_;
  GatewayIndex gateways_;
};

}  // namespace

void attach_routes(const Config& config, Attachment& out) {
  out.tcp_routes.resize(config.tcp_routes.size());
  RouteAttacher attacher(config, out);
  for (size_t route = 0; route < config.tcp_routes.size(); ++route) attacher.attach(route);
  for (size_t route = 0; route < config.tcp_routes.size(); ++route) {
    attacher.report_superseded(route);
  }
}

}  // namespace lb::config
