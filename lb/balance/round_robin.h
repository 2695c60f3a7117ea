// Round robin by weight: exact within a worker.
#pragma once

#include <vector>

#include "lb/balance/load_balancer.h"
#include "lb/balance/smooth_weighted.h"

namespace lb::balance {

class RoundRobin final : public LoadBalancer {
 public:
  // Workers give different values for `start`, so that they do not all begin with one endpoint.
  RoundRobin(const std::vector<WeightedEndpoint>& endpoints, uint64_t start);

  uint32_t pick(const PickContext& context) override;

 private:
  SmoothWeighted order_;
  // Retries have an order of their own: they would take the credit that first picks have earned,
  // and resonate with them.
  SmoothWeighted retry_order_;
};

}  // namespace lb::balance
