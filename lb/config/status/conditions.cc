#include "lb/config/status/conditions.h"

#include <fmt/format.h>

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "lb/config/status/conditions_steps.h"

namespace lb::config {
namespace {

template <typename Visit>
void each_condition(Status& status, const Visit& visit) {
  for (GatewayStatus& gateway : status.gateways) {
    for (Condition& condition : gateway.conditions) visit(condition);
    for (ListenerStatus& listener : gateway.listeners) {
      for (Condition& condition : listener.conditions) visit(condition);
    }
  }
  for (auto* routes : {&status.tcp_routes, &status.tls_routes}) {
    for (RouteStatus& route : *routes) {
      for (ParentStatus& parent : route.parents) {
        for (Condition& condition : parent.conditions) visit(condition);
      }
    }
  }
}

void carry(const std::vector<Condition>& previous, std::vector<Condition>& next) {
  for (Condition& condition : next) {
    for (const Condition& old : previous) {
      if (old.type == condition.type && old.status == condition.status) {
        condition.last_transition_ms = old.last_transition_ms;
      }
    }
  }
}

bool is_same_ref(const ParentRef& a, const ParentRef& b) {
  return a.group == b.group && a.kind == b.kind && a.name == b.name &&
         a.section_name == b.section_name && a.port == b.port;
}

template <typename Object>
using ByName = absl::flat_hash_map<ObjectName, const Object*>;

template <typename Object>
ByName<Object> by_name(const std::vector<Object>& objects) {
  ByName<Object> out;
  for (const Object& object : objects) out.try_emplace(object.name, &object);
  return out;
}

void carry_routes(const std::vector<RouteStatus>& previous, std::vector<RouteStatus>& next) {
  const ByName<RouteStatus> old_routes = by_name(previous);
  for (RouteStatus& route : next) {
    const auto old = old_routes.find(route.name);
    if (old == old_routes.end()) continue;
    for (ParentStatus& parent : route.parents) {
      for (const ParentStatus& old_parent : old->second->parents) {
        if (is_same_ref(parent.ref, old_parent.ref))
          carry(old_parent.conditions, parent.conditions);
      }
    }
  }
}

}  // namespace

Status make_status(const StatusInput& input) {
  Status out;
  out.generation = input.generation;
  add_gateway_status(input, out);
  add_route_status(input, out);
  each_condition(out, [&](Condition& condition) {
    condition.observed_generation = input.generation;
    condition.last_transition_ms = input.now_ms;
  });
  if (input.previous != nullptr) carry_times(*input.previous, out);
  return out;
}

void carry_times(const Status& previous, Status& out) {
  const ByName<GatewayStatus> old_gateways = by_name(previous.gateways);
  for (GatewayStatus& gateway : out.gateways) {
    const auto old = old_gateways.find(gateway.name);
    if (old == old_gateways.end()) continue;
    carry(old->second->conditions, gateway.conditions);
    for (ListenerStatus& listener : gateway.listeners) {
      for (const ListenerStatus& old_listener : old->second->listeners) {
        if (old_listener.name == listener.name) carry(old_listener.conditions, listener.conditions);
      }
    }
  }
  carry_routes(previous.tcp_routes, out.tcp_routes);
  carry_routes(previous.tls_routes, out.tls_routes);
}

std::string join_names(const std::vector<std::string>& names) {
  constexpr size_t kShown = 5;
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    if (i > 0) out += ", ";
    out += fmt::format("\"{}\"", names[i]);
  }
  if (names.size() > kShown) out += fmt::format(" and {} more", names.size() - kShown);
  return out;
}

std::string_view to_string(ConditionType type) {
  switch (type) {
    case ConditionType::kAccepted:
      return "Accepted";
    case ConditionType::kProgrammed:
      return "Programmed";
    case ConditionType::kResolvedRefs:
      return "ResolvedRefs";
    case ConditionType::kConflicted:
      return "Conflicted";
    case ConditionType::kBackendsAvailable:
      return "BackendsAvailable";
  }
  return "";
}

std::string_view to_string(ConditionStatus status) {
  switch (status) {
    case ConditionStatus::kTrue:
      return "True";
    case ConditionStatus::kFalse:
      return "False";
    case ConditionStatus::kUnknown:
      return "Unknown";
  }
  return "";
}

}  // namespace lb::config
