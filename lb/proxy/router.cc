#include "lb/proxy/router.h"

#include <utility>

#include "lb/proxy/service_selection.h"
#include "lb/util/random.h"

namespace lb::proxy {

Router::Router(std::shared_ptr<const Snapshot> snapshot, uint64_t start, WorkerStats& stats,
               uint64_t seed)
    : snapshot_(std::move(snapshot)), relay_(stats.relay()) {
  for (const ListenerSnapshot& listener : snapshot_->listeners) {
    listeners_.push_back(stats.listener(listener.gateway, listener.name));
  }
  for (const RouteSnapshot& route : snapshot_->routes) {
    std::vector<uint32_t> weights;
    for (const BackendSnapshot& backend : route.backends) weights.push_back(backend.weight);
    backends_.emplace_back(weights, start);
  }
  util::Random seeds(util::Random(seed).next() + start);
  for (const ServiceSnapshot& service : snapshot_->services) {
    Service compiled = {make_selection(service, start, seeds.next()),
                        stats.service(service.name),
                        {},
                        SourcePool(service.policy.source),
                        {}};
    for (const balance::WeightedEndpoint& entry : service.endpoints) {
      compiled.endpoints.push_back(stats.endpoint(service.name, entry.endpoint->label()));
    }
    for (const net::Address& address : compiled.sources.addresses()) {
      compiled.source_stats.push_back(stats.source(service.name, address.host_string()));
    }
    services_.push_back(std::move(compiled));
  }
}

void Router::introduce(const std::vector<std::shared_ptr<Router>>& routers) {
  const auto known =
      std::make_shared<const std::vector<std::weak_ptr<Router>>>(routers.begin(), routers.end());
  for (const std::shared_ptr<Router>& router : routers) router->routers_ = known;
}

Router::Choice Router::choose(size_t listener) {
  const std::optional<size_t> index = snapshot_->listeners[listener].route;
  if (!index) return {std::nullopt, CloseReason::kNoRoute};
  const RouteSnapshot& route = snapshot_->routes[*index];
  if (!route.has_weight) return {std::nullopt, CloseReason::kAllWeightsZero};
  const size_t backend = backends_[*index].pick([](size_t) { return true; });
  const std::optional<size_t> service = route.backends[backend].service;
  const bool is_refused = service && snapshot_->services[*service].is_standby &&
                          !snapshot_->services[*service].is_manned();
  return {is_refused ? std::nullopt : service, CloseReason::kNoBackend};
}

}  // namespace lb::proxy
