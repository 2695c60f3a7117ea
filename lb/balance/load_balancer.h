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
  uint32_t weight = 1;           // > 0
  uint32_t max_connections = 0;  // 0 = no bound
};

// What a choice may depend on.
struct PickContext {
  // Endpoints that this connection has tried already: a retry is the next choice of a sequence.
  std::span<const uint32_t> tried;
};

// Every endpoint has been tried.
inline constexpr uint32_t kNoEndpoint = UINT32_MAX;

class LoadBalancer {
 public:
  virtual ~LoadBalancer() = default;

  // The next endpoint to try, as an index into the service's list, or kNoEndpoint.
  virtual uint32_t pick(const PickContext& context) = 0;
};

}  // namespace lb::balance
