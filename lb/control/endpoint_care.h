// Everything that the control thread does about endpoints, in one place: what watches them, and
// what follows when they change. Control thread.
#pragma once

#include "lb/event/engine.h"
#include "lb/health/health_board.h"
#include "lb/util/log.h"

namespace lb::control {

struct Deployed;

class EndpointCare {
 public:
  // Both must outlive it.
  EndpointCare(event::Engine& engine, util::Log& log);
  EndpointCare(const EndpointCare&) = delete;
  EndpointCare& operator=(const EndpointCare&) = delete;

  health::HealthBoard& board() { return board_; }

  // Takes care of the endpoints of this configuration from now on: after the start, a reload, and a
  // change of endpoints. What is known of those that stay is kept.
  void follow(const Deployed& deployed);
  // Takes care of none any more: before a drain.
  void stop();

 private:
  void log_change(const health::HealthChange& change);

  event::Engine& engine_;
  util::Log& log_;
  health::HealthBoard board_;
};

}  // namespace lb::control
