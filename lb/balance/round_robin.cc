#include "lb/balance/round_robin.h"

#include <algorithm>
#include <utility>

namespace lb::balance {
namespace {

std::vector<uint32_t> weights_of(const std::vector<WeightedEndpoint>& endpoints) {
  std::vector<uint32_t> weights;
  weights.reserve(endpoints.size());
  for (const WeightedEndpoint& entry : endpoints) weights.push_back(entry.weight);
  return weights;
}

}  // namespace

RoundRobin::RoundRobin(std::vector<WeightedEndpoint> endpoints, uint64_t start)
    : endpoints_(std::move(endpoints)),
      order_(weights_of(endpoints_), start),
      retry_order_(weights_of(endpoints_), start) {}

Endpoint* RoundRobin::pick(const PickContext& context) {
  SmoothWeighted& order = context.tried.empty() ? order_ : retry_order_;
  const size_t index = order.pick([&](size_t i) {
    return std::find(context.tried.begin(), context.tried.end(), endpoints_[i].endpoint.get()) ==
           context.tried.end();
  });
  return index == SmoothWeighted::kNone ? nullptr : endpoints_[index].endpoint.get();
}

}  // namespace lb::balance
