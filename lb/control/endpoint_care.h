// Everything that the control thread does about endpoints, in one place: what watches them, and
// what follows when they change. Control thread.
#pragma once

#include <cstdint>
#include <functional>

#include "lb/event/engine.h"
#include "lb/health/health_board.h"
#include "lb/health/health_checker.h"
#include "lb/util/log.h"

namespace lb::control {

struct Deployed;

class EndpointCare {
 public:
  // At most `max_probes` health checks at a time. Engine and log must outlive it.
  EndpointCare(event::Engine& engine, util::Log& log, uint32_t max_probes);
  EndpointCare(const EndpointCare&) = delete;
  EndpointCare& operator=(const EndpointCare&) = delete;

  health::HealthBoard& board() { return board_; }
  const health::HealthChecker& checker() const { return checker_; }

  // Before the workers get this configuration: goes over to its health checks, and calls back when
  // enough is known of new endpoints for traffic to begin (health_checker.h); at once, mostly.
  void prepare(const Deployed& next, std::function<void()> on_known);
  // Takes care of the endpoints of this configuration from now on: after the start, a reload, and a
  // change of endpoints. What is known of those that stay is kept.
  void follow(const Deployed& deployed);
  // Takes care of none any more: before a drain.
  void stop();

 private:
  void log_change(const health::HealthChange& change);

  util::Log& log_;
  health::HealthBoard board_;
  health::HealthChecker checker_;
  bool is_start_ = true;  // no prepare() yet
};

}  // namespace lb::control
