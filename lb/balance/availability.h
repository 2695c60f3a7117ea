// Which endpoints of a service health leaves to choose from: by priority, and none of it where too
// few are up. One answer for who chooses and for who waits to, as of when it was made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/container/inlined_vector.h"
#include "lb/balance/weighted_endpoint.h"

namespace lb::balance {

class Availability {
 public:
  // Fewer up among those of one priority that take part than this: their health is ignored.
  Availability(std::span<const WeightedEndpoint> endpoints, uint32_t panic_threshold_percent);

  // One of the list.
  bool admits(const WeightedEndpoint& entry) const;

 private:
  // Those of one priority that take part.
  struct Tier {
    uint32_t priority = 0;
    size_t size = 0;
    size_t up_count = 0;
    bool is_panic = false;
  };

  Tier& tier_of(uint32_t priority);

  absl::InlinedVector<Tier, 4> tiers_;
};

}  // namespace lb::balance
