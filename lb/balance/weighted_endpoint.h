// An endpoint as the configuration lists it in a service. What is known of it at run time is the
// Endpoint's.
#pragma once

#include <cstdint>
#include <memory>

#include "lb/balance/endpoint.h"

namespace lb::balance {

struct WeightedEndpoint {
  std::shared_ptr<Endpoint> endpoint;
  uint32_t weight = 1;  // 0 gets nothing, unless an operator says otherwise
  bool is_ready = true;
  uint32_t priority = 0;  // higher ones are used when lower ones have none left

  // As far as the configuration goes.
  bool is_usable() const { return is_ready && weight > 0; }
};

}  // namespace lb::balance
