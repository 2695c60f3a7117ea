// The choice among the endpoints of one service: candidates by what is known of them, and an
// algorithm for each priority. One a worker and service; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "lb/balance/candidates.h"
#include "lb/balance/exclusion.h"
#include "lb/balance/load_balancer.h"
#include "lb/balance/weighted_endpoint.h"
#include "lb/net/address.h"
#include "lb/util/clock.h"

namespace lb::balance {

// What a choice may depend on.
struct PickContext {
  // Endpoints that this connection has tried already, or that are full: a retry is the next choice
  // of a sequence.
  std::span<const uint32_t> excluded;
  util::MonoTimeMs now_ms = 0;
  const net::Address* client = nullptr;  // may be null where the algorithm does not ask for it
};

class Selection {
 public:
  // Makes the algorithm for one priority.
  using MakeBalancer = std::function<std::unique_ptr<LoadBalancer>(uint32_t priority)>;

  // The list must outlive it; all of one service.
  Selection(std::span<const WeightedEndpoint> endpoints, const CandidatePolicy& policy,
            const MakeBalancer& make_balancer);

  // The next endpoint to try, as an index into the list, or kNoEndpoint: of the first priority that
  // has one left.
  uint32_t pick(const PickContext& context);

 private:
  struct OfPriority {
    uint32_t priority;
    std::unique_ptr<LoadBalancer> balancer;
  };

  // How often weights that grow are looked at again.
  static constexpr int64_t kGrowthMs = 150;

  void derive(util::MonoTimeMs now_ms);
  uint64_t epoch() const;

  const std::span<const WeightedEndpoint> endpoints_;
  const CandidatePolicy policy_;
  std::vector<OfPriority> balancers_;  // by priority
  std::vector<LoadBalancer*> order_;   // those with candidates
  Exclusion excluded_;
  uint64_t epoch_ = 0;          // of the service when `order_` was derived
  util::MonoTimeMs derive_ms_;  // when to derive it anew, whatever the epoch
};

}  // namespace lb::balance
