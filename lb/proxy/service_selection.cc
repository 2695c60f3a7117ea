#include "lb/proxy/service_selection.h"

#include <algorithm>
#include <utility>

#include "lb/balance/consistent_hash.h"
#include "lb/balance/least_connections.h"
#include "lb/balance/random_choice.h"
#include "lb/balance/round_robin.h"

namespace lb::proxy {
namespace {

using config::LoadBalancerType;

// Weights may grow for all but a table, which would move clients about.
int64_t slow_start_ms(const config::ServicePolicy& policy) {
  return policy.load_balancer == LoadBalancerType::kConsistentHash ? 0 : policy.slow_start_ms;
}

const balance::HashTier& tier_of(const ServiceSnapshot& service, uint32_t priority) {
  return *std::find_if(service.hash_tiers.begin(), service.hash_tiers.end(),
                       [&](const balance::HashTier& tier) { return tier.priority == priority; });
}

}  // namespace

std::unique_ptr<balance::Selection> make_selection(const ServiceSnapshot& service, uint64_t start,
                                                   uint64_t seed, Turns& turns) {
  const Turns before = std::exchange(turns, {});
  const auto make_balancer = [&](uint32_t priority) -> std::unique_ptr<balance::LoadBalancer> {
    switch (service.policy.load_balancer) {
      case LoadBalancerType::kLeastConnections:
        return std::make_unique<balance::LeastConnections>(seed + priority);
      case LoadBalancerType::kRandom:
        return std::make_unique<balance::RandomChoice>(seed + priority);
      case LoadBalancerType::kConsistentHash:
        return std::make_unique<balance::ConsistentHash>(tier_of(service, priority),
                                                         source_prefix(service));
      case LoadBalancerType::kRoundRobin:
        break;
    }
    const auto found = before.find(priority);
    turns[priority] =
        found != before.end() ? found->second : std::make_shared<balance::ClassOrder>(start);
    return std::make_unique<balance::RoundRobin>(turns[priority], start);
  };
  const balance::CandidatePolicy policy = {service.policy.panic_threshold_percent,
                                           slow_start_ms(service.policy)};
  return std::make_unique<balance::Selection>(service.endpoints, policy, make_balancer);
}

double current_weight(const ServiceSnapshot& service, const balance::WeightedEndpoint& entry,
                      util::MonoTimeMs now_ms) {
  const double weight = balance::effective_weight(entry, slow_start_ms(service.policy), now_ms);
  // A table has the file's weights; an operator can only take an endpoint out of it.
  return service.hash_tiers.empty() || weight == 0 ? weight : entry.weight;
}

balance::SourcePrefix source_prefix(const ServiceSnapshot& service) {
  return {service.policy.consistent_hash.prefix4, service.policy.consistent_hash.prefix6};
}

}  // namespace lb::proxy
