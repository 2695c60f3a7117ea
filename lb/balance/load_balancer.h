// How an endpoint of a service is chosen. One instance a worker and service: an algorithm keeps its
// cursor without sharing it. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "lb/balance/endpoint.h"
#include "lb/net/address.h"

namespace lb::balance {

struct WeightedEndpoint {
  std::shared_ptr<Endpoint> endpoint;
  uint32_t weight = 1;  // > 0
};

// What a choice may depend on.
struct PickContext {
  // Endpoints that this connection has tried already: a retry is the next choice of a sequence.
  std::span<Endpoint* const> tried;
};

class LoadBalancer {
 public:
  virtual ~LoadBalancer() = default;

  // The next endpoint to try, or null when every one has been tried. It lives as long as the
  // balancer.
  virtual Endpoint* pick(const PickContext& context) = 0;
};

}  // namespace lb::balance
