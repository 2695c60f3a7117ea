// Tells when enough is known of new endpoints for traffic to begin. Pure.
#pragma once

#include <cstddef>

#include "absl/container/flat_hash_map.h"
#include "lb/balance/service_state.h"

namespace lb::health {

class FirstResults {
 public:
  enum class Wanted {
    kAll,            // a result of each: clients are spread over all from the beginning
    kOnePerService,  // each service has one that is up, or knows that it has none
  };

  explicit FirstResults(Wanted wanted) : wanted_(wanted) {}

  // An endpoint of this service whose first result is still to come.
  void expect(const balance::ServiceState* service) { ++missing_[service]; }
  // This service has an endpoint that is up.
  void serves(const balance::ServiceState* service) {
    if (wanted_ == Wanted::kOnePerService) missing_.erase(service);
  }
  // The first result of one that was expected.
  void add(const balance::ServiceState* service, bool is_up) {
    const auto found = missing_.find(service);
    if (found == missing_.end()) return;
    if (--found->second == 0 || (is_up && wanted_ == Wanted::kOnePerService)) {
      missing_.erase(found);
    }
  }

  bool are_enough() const { return missing_.empty(); }

 private:
  const Wanted wanted_;
  absl::flat_hash_map<const balance::ServiceState*, size_t> missing_;
};

}  // namespace lb::health
