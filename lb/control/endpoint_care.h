// Everything that the control thread does about endpoints, in one place: what watches them, and
// what follows when they change. Control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "lb/control/deployment.h"
#include "lb/control/endpoint_closing.h"
#include "lb/control/overrides.h"
#include "lb/control/passive_checks.h"
#include "lb/event/engine.h"
#include "lb/health/health_board.h"
#include "lb/health/health_checker.h"
#include "lb/util/log.h"

namespace lb::control {

class EndpointCare {
 public:
  // At most `max_probes` health checks at a time. All must outlive it; the workers may come later.
  EndpointCare(event::Engine& engine, const Deployment::Workers& workers, util::Log& log,
               uint32_t max_probes);
  EndpointCare(const EndpointCare&) = delete;
  EndpointCare& operator=(const EndpointCare&) = delete;

  health::HealthBoard& board() { return board_; }
  const health::HealthChecker& checker() const { return checker_; }

  // Before the workers get this configuration: goes over to its health checks, gives endpoints that
  // are back their overrides, ends what was begun against them, and calls back when enough is known
  // of new ones for traffic to begin (health_checker.h); at once, mostly.
  void prepare(const Deployed& next, std::function<void()> on_known);
  // Takes care of the endpoints of this configuration from now on: after the start, a reload, and a
  // change of endpoints. What is known of those that stay is kept.
  void follow(const Deployed& deployed);
  // Takes care of none any more: before the workers drain.
  void stop();

  // As many connects to it have failed in a row as its service bears.
  void note_failing(const health::HealthBoard::EndpointPtr& endpoint) {
    passive_checks_->note_failing(endpoint);
  }

  // Carries out `sluice endpoint` on an endpoint of this configuration, and returns what is
  // overridden then, "" for nothing. The error is for whoever has asked.
  absl::StatusOr<std::string> change(const Deployed& deployed, const EndpointWish& wish);

 private:
  void log_change(const health::HealthChange& change);

  event::Engine& engine_;
  util::Log& log_;
  health::HealthBoard board_;
  Overrides overrides_;
  std::unique_ptr<PassiveChecks> passive_checks_;
  std::unique_ptr<EndpointClosing> closing_;
  health::HealthChecker checker_;
  bool is_start_ = true;  // no prepare() yet
};

}  // namespace lb::control
