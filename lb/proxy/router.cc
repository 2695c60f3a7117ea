#include "lb/proxy/router.h"

#include <utility>

#include "lb/balance/round_robin.h"

namespace lb::proxy {
namespace {

std::unique_ptr<balance::LoadBalancer> make_balancer(const ServiceSnapshot& service,
                                                     uint64_t start) {
  switch (service.policy.load_balancer) {
    case config::LoadBalancerType::kRoundRobin:
      break;
  }
  return std::make_unique<balance::RoundRobin>(service.endpoints, start);
}

}  // namespace

Router::Router(std::shared_ptr<const Snapshot> snapshot, uint64_t start)
    : snapshot_(std::move(snapshot)) {
  for (const RouteSnapshot& route : snapshot_->routes) {
    std::vector<uint32_t> weights;
    for (const BackendSnapshot& backend : route.backends) weights.push_back(backend.weight);
    backends_.emplace_back(weights, start);
  }
  for (const ServiceSnapshot& service : snapshot_->services) {
    balancers_.push_back(make_balancer(service, start));
  }
}

Router::Choice Router::choose(const ListenerSnapshot& listener) {
  if (!listener.route) return {std::nullopt, CloseReason::kNoRoute};
  const RouteSnapshot& route = snapshot_->routes[*listener.route];
  if (!route.has_weight) return {std::nullopt, CloseReason::kAllWeightsZero};
  const size_t index = backends_[*listener.route].pick([](size_t) { return true; });
  return {route.backends[index].service, CloseReason::kNoBackend};
}

balance::Endpoint* Router::pick(size_t service, std::span<balance::Endpoint* const> tried) {
  return balancers_[service]->pick({tried});
}

}  // namespace lb::proxy
