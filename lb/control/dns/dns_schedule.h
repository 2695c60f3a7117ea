// When a name is asked for again: the pure core, in the time that it is told. Nothing is asked for
// at the same moment as everything else, so each time is spread by a tenth.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "lb/config/service.h"
#include "lb/util/clock.h"
#include "lb/util/random.h"

namespace lb::control {

class DNSSchedule {
 public:
  static constexpr int64_t kMinDelayMs = 100;  // whatever the answer and the file say
  static constexpr int64_t kFirstRetryMs = 1'000;
  static constexpr int64_t kMaxRetryMs = 30'000;
  static constexpr int64_t kHurrySpacingMs = 1'000;

  util::MonoTimeMs next_ms() const { return next_ms_; }
  uint32_t failures() const { return failures_; }  // in a row

  void on_asked(util::MonoTimeMs now_ms) { asked_ms_ = now_ms; }

  // Of those who name it the most eager decides; at least one.
  void on_answer(util::MonoTimeMs now_ms, int64_t ttl_ms, std::span<const config::DNSPolicy> by,
                 util::Random& random) {
    failures_ = 0;
    int64_t delay_ms = INT64_MAX;
    for (const config::DNSPolicy& policy : by) {
      delay_ms = std::min(delay_ms, delay_after_answer_ms(policy, ttl_ms, random));
    }
    next_ms_ = now_ms + std::max(delay_ms, kMinDelayMs);
  }

  void on_failure(util::MonoTimeMs now_ms, util::Random& random) {
    const uint32_t doublings = std::min(failures_++, 16U);
    const int64_t delay_ms = std::min(kFirstRetryMs << doublings, kMaxRetryMs);
    next_ms_ = now_ms + delay_ms - tenth_of(delay_ms, random);
  }

  // What it has told does not work: asks as soon as the spacing allows.
  void hurry(util::MonoTimeMs now_ms) {
    next_ms_ = std::min(next_ms_, std::max(now_ms, asked_ms_ + kHurrySpacingMs));
  }

 private:
  static int64_t tenth_of(int64_t delay_ms, util::Random& random) {
    return static_cast<int64_t>(random.below(static_cast<uint64_t>(delay_ms / 10) + 1));
  }

  static int64_t delay_after_answer_ms(const config::DNSPolicy& policy, int64_t ttl_ms,
                                       util::Random& random) {
    if (policy.refresh_ms > 0) return policy.refresh_ms - tenth_of(policy.refresh_ms, random);
    if (ttl_ms >= policy.max_ttl_ms) return policy.max_ttl_ms - tenth_of(policy.max_ttl_ms, random);
    // Not earlier than the TTL: a cache would answer with what it has still got, for a moment.
    const int64_t base_ms = std::max(ttl_ms, policy.min_ttl_ms);
    return std::min(base_ms + tenth_of(base_ms, random), policy.max_ttl_ms);
  }

  util::MonoTimeMs next_ms_ = 0;
  util::MonoTimeMs asked_ms_ = 0;
  uint32_t failures_ = 0;
};

}  // namespace lb::control
