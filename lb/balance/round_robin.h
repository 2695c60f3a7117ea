// Round robin by weight: exact within a worker.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "lb/balance/class_order.h"
#include "lb/balance/load_balancer.h"
#include "lb/balance/smooth_weighted.h"

namespace lb::balance {

class RoundRobin final : public LoadBalancer {
 public:
  // `order` is where it stands, and shared with who had the turn before a reload. Retries begin at
  // `start`.
  RoundRobin(std::shared_ptr<ClassOrder> order, uint64_t start)
      : start_(start), order_(std::move(order)) {}
  // Workers give different values for `start`, so that they do not all begin with one endpoint.
  explicit RoundRobin(uint64_t start) : RoundRobin(std::make_shared<ClassOrder>(start), start) {}

  void set_candidates(std::span<const Candidate> candidates) override;
  uint32_t pick(const Exclusion& excluded, const net::Address* client) override;

 private:
  void take_order();
  uint32_t pick_other(const Exclusion& excluded);

  const uint64_t start_;
  std::vector<Candidate> candidates_;
  const std::shared_ptr<ClassOrder> order_;
  uint64_t revision_ = 0;  // of the order when it was given these candidates
  // Those who may not have the next one have an order of their own: they would take the credit that
  // first picks have earned, and resonate with them. Made when it is asked for.
  std::optional<SmoothWeighted> other_order_;
};

}  // namespace lb::balance
