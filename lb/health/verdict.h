// What the results of a check come to: an endpoint is down after so many failures in a row, and up
// after so many successes. Pure.
#pragma once

#include <cstdint>

namespace lb::health {

class Verdict {
 public:
  // Both thresholds are at least 1.
  Verdict(uint32_t unhealthy_threshold, uint32_t healthy_threshold, bool is_healthy)
      : unhealthy_threshold_(unhealthy_threshold),
        healthy_threshold_(healthy_threshold),
        is_healthy_(is_healthy) {}

  bool is_healthy() const { return is_healthy_; }
  // There has been a result.
  bool is_known() const { return is_known_; }
  // The last results speak against the verdict, and were not yet enough; or of a server that has
  // been down from the beginning, not yet enough to believe that it stays so.
  bool is_changing() const {
    return is_healthy_ ? failures_ > 0
                       : successes_ > 0 || (was_never_up_ && failures_ < unhealthy_threshold_);
  }

  // What decides nothing yet goes by an endpoint that is known to be up, and takes as many failures
  // as any to be down.
  void assume_healthy() {
    if (is_known_) return;
    is_healthy_ = true;
    was_never_up_ = false;
  }

  void add(bool is_success) {
    // The very first result is enough to be up: at a start there is nothing that could flap.
    const uint32_t successes_needed = is_known_ ? healthy_threshold_ : 1;
    is_known_ = true;
    successes_ = is_success ? successes_ + 1 : 0;
    failures_ = is_success ? 0 : failures_ + 1;
    if (is_healthy_ && failures_ >= unhealthy_threshold_) {
      is_healthy_ = false;
    } else if (!is_healthy_ && successes_ >= successes_needed) {
      is_healthy_ = true;
    }
    was_never_up_ &= !is_healthy_;
  }

 private:
  uint32_t unhealthy_threshold_;
  uint32_t healthy_threshold_;
  uint32_t successes_ = 0;  // in a row
  uint32_t failures_ = 0;   // in a row
  bool is_healthy_;
  bool is_known_ = false;
  bool was_never_up_ = !is_healthy_;
};

}  // namespace lb::health
