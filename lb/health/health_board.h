// The one place that changes what is known of an endpoint, whatever the reason: an active check, an
// ejection, an operator. It keeps the endpoint's service in step (ServiceState::epoch) and tells
// those who follow the changes: logs, connections that are to be closed. Control thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "lb/balance/endpoint.h"
#include "lb/util/clock.h"

namespace lb::health {

struct HealthChange {
  std::shared_ptr<balance::Endpoint> endpoint;
  bool was_up = false;
  bool is_up = false;    // Endpoint::is_up(); the same as before when only a weight has changed
  std::string_view why;  // in words, for the log; valid during the call
  util::MonoTimeMs now_ms = 0;
  bool is_first = false;  // it has not been up yet, and now it is known why
};

class HealthBoard {
 public:
  using EndpointPtr = std::shared_ptr<balance::Endpoint>;
  using Follower = std::function<void(const HealthChange&)>;

  HealthBoard() = default;
  HealthBoard(const HealthBoard&) = delete;
  HealthBoard& operator=(const HealthBoard&) = delete;

  // Called after every change, in the order in which they asked for it; for as long as the board
  // lives.
  void follow(Follower follower) { followers_.push_back(std::move(follower)); }

  // What the endpoint is taken for while nothing is known of it; nobody is told.
  void assume_healthy(const EndpointPtr& endpoint, bool is_healthy);
  // It was assumed to be unhealthy, and it is.
  void confirm_unhealthy(const EndpointPtr& endpoint, std::string_view why);

  // Each does nothing where nothing changes. A check that has succeeded also ends an ejection, so
  // every success is worth telling while there is one.
  void set_healthy(const EndpointPtr& endpoint, bool is_healthy, util::MonoTimeMs now_ms,
                   std::string_view why);
  void set_ejected(const EndpointPtr& endpoint, bool is_ejected, util::MonoTimeMs now_ms,
                   std::string_view why);
  void set_admin_state(const EndpointPtr& endpoint, balance::AdminState state,
                       util::MonoTimeMs now_ms, std::string_view why);
  void set_weight_override(const EndpointPtr& endpoint, std::optional<uint32_t> weight,
                           util::MonoTimeMs now_ms, std::string_view why);

 private:
  void tell(const EndpointPtr& endpoint, bool was_up, util::MonoTimeMs now_ms,
            std::string_view why);

  std::vector<Follower> followers_;
};

}  // namespace lb::health
