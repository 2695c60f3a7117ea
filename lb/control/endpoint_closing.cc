#include "lb/control/endpoint_closing.h"

#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "lb/control/listed_endpoints.h"

namespace lb::control {

EndpointClosing::EndpointClosing(const Deployment::Workers& workers, health::HealthBoard& board)
    : workers_(workers) {
  board.follow([this](const health::HealthChange& change) { on_change(change); });
}

void EndpointClosing::prepare(const proxy::Snapshot& next) {
  for (const proxy::ServiceSnapshot& service : next.services) {
    for (const balance::WeightedEndpoint& entry : service.endpoints) {
      // What those that were there before are to do stays as it was until follow().
      known_.try_emplace(entry.endpoint.get(),
                         Known{entry.endpoint, service.policy.on_endpoint_down,
                               service.policy.on_endpoint_removed});
      const auto found = closing_.find(entry.endpoint);
      if (found == closing_.end()) continue;
      // One that is back may be used whether it is up or not.
      const bool was_removed = found->second == proxy::CloseReason::kEndpointRemoved;
      if (was_removed || entry.endpoint->is_up()) call_off(entry.endpoint);
    }
  }
}

void EndpointClosing::follow(const Deployed& deployed) {
  KnownEndpoints current;
  absl::flat_hash_map<std::string_view, config::Closing> on_removed;  // by service
  for (const proxy::ServiceSnapshot& service : deployed.snapshot->services) {
    on_removed.emplace(service.name, service.policy.on_endpoint_removed);
    for (const balance::WeightedEndpoint& entry : service.endpoints) {
      current[entry.endpoint.get()] = {entry.endpoint, service.policy.on_endpoint_down,
                                       service.policy.on_endpoint_removed};
    }
  }
  for (const Known& known : take_removed(deployed, current)) {
    // As the new configuration says, where it still knows the service.
    const auto found = on_removed.find(known.endpoint->service().name());
    begin(known.endpoint, found == on_removed.end() ? known.on_removed : found->second,
          proxy::CloseReason::kEndpointRemoved);
  }
  for (auto& [key, known] : current) known_[key] = std::move(known);
}

std::vector<EndpointClosing::Known> EndpointClosing::take_removed(const Deployed& deployed,
                                                                  const KnownEndpoints& current) {
  std::vector<Known> removed;
  for (const auto& [key, known] : known_) {
    if (!current.contains(key)) removed.push_back(known);
  }
  if (removed.empty()) return removed;
  absl::flat_hash_set<std::pair<std::string, std::string>> listed;
  for (const ListedEndpoint& endpoint : list_endpoints(deployed)) {
    listed.emplace(endpoint.service, endpoint.label);
  }
  std::erase_if(removed, [&](const Known& known) {
    return listed.contains({known.endpoint->service().name(), known.endpoint->label()});
  });
  for (const Known& known : removed) known_.erase(known.endpoint.get());
  return removed;
}

void EndpointClosing::on_change(const health::HealthChange& change) {
  if (change.was_up == change.is_up) return;
  const auto found = known_.find(change.endpoint.get());
  // One that has been removed does not come back by being up.
  if (found == known_.end()) return;
  if (change.is_up) return call_off(change.endpoint);
  begin(change.endpoint, found->second.on_down, proxy::CloseReason::kEndpointDown);
}

void EndpointClosing::begin(const EndpointPtr& endpoint, const config::Closing& how,
                            proxy::CloseReason reason) {
  if (how.mode == config::Closing::Mode::kKeep) return;
  // Of those that nobody else refers to nothing is left to close.
  absl::erase_if(closing_, [](const auto& entry) { return entry.first.use_count() == 1; });
  closing_[endpoint] = reason;
  const int64_t spread_ms = how.mode == config::Closing::Mode::kSpread ? how.spread_ms : 0;
  for (const auto& worker : workers_) worker->close_connections_to(endpoint, reason, spread_ms);
}

void EndpointClosing::call_off(const EndpointPtr& endpoint) {
  if (closing_.erase(endpoint) == 0) return;
  for (const auto& worker : workers_) worker->keep_connections_to(endpoint);
}

}  // namespace lb::control
