#include "lb/health/health_board.h"

namespace lb::health {

void HealthBoard::assume_healthy(const EndpointPtr& endpoint, bool is_healthy) {
  if (endpoint->is_healthy() == is_healthy) return;
  endpoint->set_healthy(is_healthy);
  endpoint->service().advance_epoch();
}

void HealthBoard::confirm_unhealthy(const EndpointPtr& endpoint, std::string_view why) {
  const HealthChange change = {
      .endpoint = endpoint, .was_up = false, .is_up = false, .why = why, .is_first = true};
  for (const Follower& follower : followers_) follower(change);
}

void HealthBoard::set_healthy(const EndpointPtr& endpoint, bool is_healthy, util::MonoTimeMs now_ms,
                              std::string_view why) {
  const bool readmits = is_healthy && endpoint->is_ejected();
  if (endpoint->is_healthy() == is_healthy && !readmits) return;
  const bool was_up = endpoint->is_up();
  endpoint->set_healthy(is_healthy);
  if (readmits) endpoint->set_ejected(false);
  tell(endpoint, was_up, now_ms, why);
}

void HealthBoard::set_ejected(const EndpointPtr& endpoint, bool is_ejected, util::MonoTimeMs now_ms,
                              std::string_view why) {
  if (endpoint->is_ejected() == is_ejected) return;
  const bool was_up = endpoint->is_up();
  endpoint->set_ejected(is_ejected);
  tell(endpoint, was_up, now_ms, why);
}

void HealthBoard::set_admin_state(const EndpointPtr& endpoint, balance::AdminState state,
                                  util::MonoTimeMs now_ms, std::string_view why) {
  if (endpoint->admin_state() == state) return;
  const bool was_up = endpoint->is_up();
  endpoint->set_admin_state(state);
  tell(endpoint, was_up, now_ms, why);
}

void HealthBoard::set_weight_override(const EndpointPtr& endpoint, std::optional<uint32_t> weight,
                                      util::MonoTimeMs now_ms, std::string_view why) {
  if (endpoint->weight_override() == weight) return;
  endpoint->set_weight_override(weight);
  tell(endpoint, endpoint->is_up(), now_ms, why);
}

void HealthBoard::tell(const EndpointPtr& endpoint, bool was_up, util::MonoTimeMs now_ms,
                       std::string_view why) {
  const bool is_up = endpoint->is_up();
  if (is_up && !was_up) endpoint->set_up_since_ms(now_ms);
  endpoint->service().advance_epoch();
  const HealthChange change = {.endpoint = endpoint,
                               .was_up = was_up,
                               .is_up = is_up,
                               .why = why,
                               .now_ms = now_ms,
                               .is_first = false};
  for (const Follower& follower : followers_) follower(change);
}

}  // namespace lb::health
