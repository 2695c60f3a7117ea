// Services made up for a test.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lb/balance/candidates.h"
#include "lb/balance/exclusion.h"
#include "lb/balance/load_balancer.h"
#include "lb/balance/weighted_endpoint.h"
#include "test/support/socket.h"

namespace lb::balance {

// One endpoint of one service for each weight, at 10.0.0.1 on ports 1, 2, ...
inline std::vector<WeightedEndpoint> endpoints_of(const std::vector<uint32_t>& weights) {
  const auto service = std::make_shared<ServiceState>("s");
  std::vector<WeightedEndpoint> out;
  for (const uint32_t weight : weights) {
    const auto port = static_cast<uint16_t>(out.size() + 1);
    out.push_back(
        {std::make_shared<Endpoint>(test::ip_address("10.0.0.1", port), service), weight});
  }
  return out;
}

// Those that have weight, whatever is known of them.
inline std::vector<Candidate> candidates_of(const std::vector<WeightedEndpoint>& endpoints) {
  std::vector<Candidate> out;
  for (uint32_t i = 0; i < endpoints.size(); ++i) {
    if (endpoints[i].weight == 0) continue;
    out.push_back({i, endpoints[i].weight, endpoints[i].endpoint.get()});
  }
  return out;
}

// How often each index was chosen.
using Counts = std::map<uint32_t, int>;

inline Counts count_picks(LoadBalancer& balancer, int picks, Exclusion& excluded) {
  Counts counts;
  for (int i = 0; i < picks; ++i) ++counts[balancer.pick(excluded, nullptr)];
  return counts;
}

inline Counts count_picks(LoadBalancer& balancer, int picks) {
  Exclusion nobody(0);
  return count_picks(balancer, picks, nobody);
}

}  // namespace lb::balance
