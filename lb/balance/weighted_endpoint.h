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
  uint32_t priority = 0;         // higher ones are used when lower ones have none left
  uint32_t max_connections = 0;  // 0 = no bound

  // As far as the configuration goes.
  bool is_usable() const { return is_ready && weight > 0; }
  // Nothing is known against it, and the file or an operator says that it is ready.
  bool is_healthy() const {
    return endpoint->is_up() && (is_ready || endpoint->admin_state() == AdminState::kReady);
  }
  // With an operator's word before the file's.
  uint32_t full_weight() const { return endpoint->weight_override().value_or(weight); }
  // Whether it may be chosen at all, whatever its health.
  bool takes_part() const {
    const AdminState state = endpoint->admin_state();
    const bool is_offered = state == AdminState::kReady || (state == AdminState::kNone && is_ready);
    return is_offered && full_weight() > 0;
  }
};

}  // namespace lb::balance
