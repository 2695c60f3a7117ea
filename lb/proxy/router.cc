#include "lb/proxy/router.h"

#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "lb/util/random.h"

namespace lb::proxy {

namespace {

std::vector<uint32_t> weights_of(const RouteSnapshot& route) {
  std::vector<uint32_t> weights;
  for (const BackendSnapshot& backend : route.backends) weights.push_back(backend.weight);
  return weights;
}

// A service has as many as it has ports that are led to: its name, and which of these it is.
class ServiceNames {
 public:
  using Name = std::pair<std::string_view, size_t>;

  Name next(const ServiceSnapshot& service) { return {service.name, counts_[service.name]++}; }

 private:
  absl::flat_hash_map<std::string_view, size_t> counts_;
};

}  // namespace

Router::Router(std::shared_ptr<const Snapshot> snapshot, uint64_t start, WorkerStats& stats,
               uint64_t seed, const Router* before)
    : snapshot_(std::move(snapshot)), relay_(stats.relay()) {
  for (const ListenerSnapshot& listener : snapshot_->listeners) {
    listeners_.push_back(stats.listener(listener.gateway, listener.name));
  }
  add_routes(start, seed, before);
  add_services(start, seed, before, stats);
}

void Router::add_routes(uint64_t start, uint64_t seed, const Router* before) {
  absl::flat_hash_map<std::string_view, size_t> known;
  for (size_t i = 0; before != nullptr && i < before->backends_.size(); ++i) {
    known.emplace(before->snapshot_->routes[i].name, i);
  }
  // The same for all workers, which so are apart by their starts.
  util::Random starts(seed);
  for (const RouteSnapshot& route : snapshot_->routes) {
    const uint64_t begin = (starts.next() >> 1) + start;
    const std::vector<uint32_t> weights = weights_of(route);
    const auto found = known.find(route.name);
    const bool goes_on =
        found != known.end() && weights_of(before->snapshot_->routes[found->second]) == weights;
    backends_.push_back(goes_on ? before->backends_[found->second]
                                : std::make_shared<balance::SmoothWeighted>(weights, begin));
  }
}

void Router::add_services(uint64_t start, uint64_t seed, const Router* before, WorkerStats& stats) {
  absl::flat_hash_map<ServiceNames::Name, size_t> known;
  ServiceNames old_names;
  for (size_t i = 0; before != nullptr && i < before->services_.size(); ++i) {
    known.emplace(old_names.next(before->snapshot_->services[i]), i);
  }
  util::Random starts(~seed);
  util::Random seeds(util::Random(seed).next() + start);
  ServiceNames names;
  for (const ServiceSnapshot& service : snapshot_->services) {
    Turns turns;
    const auto found = known.find(names.next(service));
    if (found != known.end()) turns = before->services_[found->second].turns;
    const uint64_t begin = (starts.next() >> 1) + start;
    auto selection = make_selection(service, begin, seeds.next(), turns);
    Service compiled = {std::move(turns),
                        std::move(selection),
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
  const size_t backend = backends_[*index]->pick([](size_t) { return true; });
  const std::optional<size_t> service = route.backends[backend].service;
  const bool is_refused = service && snapshot_->services[*service].is_standby &&
                          !snapshot_->services[*service].is_manned();
  return {is_refused ? std::nullopt : service, CloseReason::kNoBackend};
}

}  // namespace lb::proxy
