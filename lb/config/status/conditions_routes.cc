// The status of routes, for each of their parents.
#include <fmt/format.h>

#include <algorithm>

#include "lb/config/attach/attach_steps.h"
#include "lb/config/status/conditions_steps.h"

namespace lb::config {
namespace {

// Which listeners the route is attached to, and which of them another route has.
std::string describe_attachment(const StatusInput& input, size_t route,
                                const AttachedParent& parent) {
  std::vector<std::string> names;
  std::string superseded;
  for (const ListenerIndex& index : parent.listeners) {
    const Gateway& gateway = input.config.gateways[index.gateway];
    names.push_back(gateway.listeners[index.listener].name);
    const AttachedListener& listener =
        input.attachment.gateways[index.gateway].listeners[index.listener];
    if (!listener.active_route || *listener.active_route == route) continue;
    append_why(
        superseded,
        fmt::format("it gets no traffic from listener \"{}\": tcpRoute \"{}\" is older or "
                    "comes first by name",
                    names.back(), to_string(input.config.tcp_routes[*listener.active_route].name)));
  }
  std::string out = fmt::format("attached to {} {}", names.size() == 1 ? "listener" : "listeners",
                                join_names(names));
  if (!superseded.empty()) append_why(out, superseded);
  return out;
}

void write_resolved_refs(const AttachedRoute& attached, ConditionList& conditions) {
  Reason first = Reason::kResolvedRefs;
  size_t count = 0;
  std::string why;
  for (const ResolvedBackend& backend : attached.backends) {
    if (backend.resolved()) continue;
    if (first == Reason::kResolvedRefs) first = backend.reason;
    append_why(why, backend.why);
    ++count;
  }
  if (first == Reason::kResolvedRefs) {
    conditions.good(ConditionType::kResolvedRefs, first, "every backendRef leads to a service");
  } else {
    conditions.bad(ConditionType::kResolvedRefs, first,
                   fmt::format("{}; {} share of the connections is refused", why,
                               count == 1 ? "its" : "their"));
  }
}

// A backendRef of weight 0 gets no connections, so nobody misses its endpoints.
void write_backends_available(const Route& route, const AttachedRoute& attached,
                              ConditionList& conditions) {
  const std::vector<BackendRef> none;
  const std::vector<BackendRef>& refs = route.rules.empty() ? none : route.rules[0].backend_refs;
  std::string why;
  bool has_weight = false;
  bool has_usable = false;
  for (size_t i = 0; i < refs.size(); ++i) {
    if (refs[i].weight == 0) continue;
    has_weight = true;
    has_usable = has_usable || attached.backends[i].usable();
    if (attached.backends[i].reason == Reason::kEndpointsNotFound) {
      append_why(why, attached.backends[i].why);
    }
  }
  if (!has_weight) why = "all weights are 0";
  if (why.empty() && has_usable) {
    conditions.good(ConditionType::kBackendsAvailable, Reason::kBackendsAvailable,
                    "every service that was found has a ready endpoint");
    return;
  }
  if (why.empty()) why = "no backendRef leads to a service";
  why += has_usable ? "; its share of the connections is refused" : "; every connection is refused";
  conditions.bad(ConditionType::kBackendsAvailable, Reason::kEndpointsNotFound, std::move(why));
}

template <typename RouteType>
void add_routes(const StatusInput& input, const std::vector<RouteType>& routes,
                const std::vector<AttachedRoute>& attached, std::vector<RouteStatus>& out) {
  out.resize(routes.size());
  for (size_t r = 0; r < routes.size(); ++r) {
    const Route& route = routes[r];
    out[r].name = route.name;
    for (size_t p = 0; p < route.parent_refs.size(); ++p) {
      const AttachedParent& parent = attached[r].parents[p];
      ParentStatus status;
      status.ref = route.parent_refs[p];
      ConditionList conditions(status.conditions);
      if (parent.accepted == Reason::kAccepted) {
        conditions.good(ConditionType::kAccepted, Reason::kAccepted,
                        describe_attachment(input, r, parent));
      } else {
        conditions.bad(ConditionType::kAccepted, parent.accepted, parent.accepted_why);
      }
      write_resolved_refs(attached[r], conditions);
      write_backends_available(route, attached[r], conditions);
      out[r].parents.push_back(std::move(status));
    }
  }
}

}  // namespace

void add_route_status(const StatusInput& input, Status& out) {
  add_routes(input, input.config.tcp_routes, input.attachment.tcp_routes, out.tcp_routes);
  add_routes(input, input.config.tls_routes, input.attachment.tls_routes, out.tls_routes);
}

}  // namespace lb::config
