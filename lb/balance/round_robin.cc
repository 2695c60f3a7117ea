#include "lb/balance/round_robin.h"

#include <algorithm>

namespace lb::balance {
namespace {

std::vector<uint32_t> weights_of(const std::vector<WeightedEndpoint>& endpoints) {
  std::vector<uint32_t> weights;
  weights.reserve(endpoints.size());
  for (const WeightedEndpoint& entry : endpoints) weights.push_back(entry.weight);
  return weights;
}

}  // namespace

RoundRobin::RoundRobin(const std::vector<WeightedEndpoint>& endpoints, uint64_t start)
    : order_(weights_of(endpoints), start), retry_order_(weights_of(endpoints), start) {}

uint32_t RoundRobin::pick(const PickContext& context) {
  SmoothWeighted& order = context.tried.empty() ? order_ : retry_order_;
  const size_t index = order.pick([&](size_t i) {
    return std::find(context.tried.begin(), context.tried.end(), i) == context.tried.end();
  });
  return index == SmoothWeighted::kNone ? kNoEndpoint : static_cast<uint32_t>(index);
}

}  // namespace lb::balance
