#include "lb/control/admin/diff.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>

namespace lb::control {
namespace {

using Name = proxy::WorkerStats::Name;

// Counts by name what is in one of the two and what is in both but not the same.
template <typename Map, typename Same>
ChangeCount count_changes(const Map& from, const Map& to, const Same& same) {
  ChangeCount count;
  for (const auto& [name, value] : to) {
    const auto before = from.find(name);
    if (before == from.end()) {
      ++count.added;
    } else if (!same(before->second, value)) {
      ++count.changed;
    }
  }
  for (const auto& [name, value] : from) count.removed += to.contains(name) ? 0 : 1;
  return count;
}

struct ListenerView {
  const proxy::ListenerSnapshot* listener;
  std::string route;  // "" = none
};

std::map<Name, ListenerView> listeners_of(const proxy::Snapshot& snapshot) {
  std::map<Name, ListenerView> listeners;
  for (const proxy::ListenerSnapshot& listener : snapshot.listeners) {
    const std::string route = listener.route ? snapshot.routes[*listener.route].name : "";
    listeners[{listener.gateway, listener.name}] = {&listener, route};
  }
  return listeners;
}

bool is_same_listener(const ListenerView& a, const ListenerView& b) {
  return a.route == b.route && a.listener->addresses == b.listener->addresses &&
         a.listener->policy == b.listener->policy;
}

std::map<config::ObjectName, const config::TCPRoute*> routes_of(const config::Config& config) {
  std::map<config::ObjectName, const config::TCPRoute*> routes;
  for (const config::TCPRoute& route : config.tcp_routes) routes[route.name] = &route;
  return routes;
}

// What a route says, without where in the file it says so.
auto content_of(const config::ParentRef& ref) {
  return std::tie(ref.group, ref.kind, ref.name, ref.section_name, ref.port);
}

auto content_of(const config::BackendRef& ref) {
  return std::tie(ref.group, ref.kind, ref.name, ref.port, ref.weight);
}

template <typename Ref>
bool is_same_list(const std::vector<Ref>& a, const std::vector<Ref>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Ref& left, const Ref& right) {
    return content_of(left) == content_of(right);
  });
}

bool is_same_route(const config::TCPRoute* a, const config::TCPRoute* b) {
  const auto is_same_rule = [](const config::TCPRouteRule& left,
                               const config::TCPRouteRule& right) {
    return is_same_list(left.backend_refs, right.backend_refs);
  };
  return a->creation_time_ms == b->creation_time_ms &&
         is_same_list(a->parent_refs, b->parent_refs) &&
         std::equal(a->rules.begin(), a->rules.end(), b->rules.begin(), b->rules.end(),
                    is_same_rule);
}

struct EndpointView {
  const balance::WeightedEndpoint* entry;
  const config::ServicePolicy* policy;  // of its service
};

std::map<Name, EndpointView> endpoints_of(const proxy::Snapshot& snapshot) {
  std::map<Name, EndpointView> endpoints;
  for (const proxy::ServiceSnapshot& service : snapshot.services) {
    for (const balance::WeightedEndpoint& entry : service.endpoints) {
      if (!entry.is_usable()) continue;
      endpoints[{service.name, entry.endpoint->label()}] = {&entry, &service.policy};
    }
  }
  return endpoints;
}

bool is_same_endpoint(const EndpointView& a, const EndpointView& b) {
  return a.entry->weight == b.entry->weight && a.entry->priority == b.entry->priority &&
         a.entry->max_connections == b.entry->max_connections && *a.policy == *b.policy;
}

}  // namespace

uint64_t live_connections(const proxy::ListenerStats& stats) {
  uint64_t ended = stats.ended.value();
  for (const util::Counter& refused : stats.refused) ended += refused.value();
  const uint64_t accepted = stats.accepted.value();
  // Read one after the other while the worker goes on.
  return accepted > ended ? accepted - ended : 0;
}

Diff diff(const Deployed& from, const Deployed& to,
          const std::vector<const proxy::WorkerStats*>& stats) {
  Diff result;
  const auto old_listeners = listeners_of(*from.snapshot);
  const auto new_listeners = listeners_of(*to.snapshot);
  result.listeners = count_changes(old_listeners, new_listeners, is_same_listener);
  result.routes =
      count_changes(routes_of(*from.loaded.config), routes_of(*to.loaded.config), is_same_route);
  const auto old_endpoints = endpoints_of(*from.snapshot);
  const auto new_endpoints = endpoints_of(*to.snapshot);
  result.endpoints = count_changes(old_endpoints, new_endpoints, is_same_endpoint);
  for (const proxy::WorkerStats* worker : stats) {
    for (const auto& [name, block] : worker->listeners()) {
      if (!old_listeners.contains(name) || new_listeners.contains(name)) continue;
      result.connections_on_removed_listeners += live_connections(*block);
    }
  }
  for (const auto& [name, view] : old_endpoints) {
    if (!new_endpoints.contains(name)) {
      result.connections_on_removed_endpoints += view.entry->endpoint->active();
    }
  }
  return result;
}

}  // namespace lb::control
