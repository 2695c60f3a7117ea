// Passive ejection in a running process: hears from the workers which endpoints fail, and ends
// ejections in time. The rules are in lb/health/ejection.h. Control thread.
#pragma once

#include "lb/event/engine.h"
#include "lb/health/ejection.h"
#include "lb/health/health_board.h"
#include "lb/proxy/snapshot.h"
#include "lb/util/log.h"

namespace lb::control {

class PassiveChecks {
 public:
  // All must outlive it.
  PassiveChecks(event::Engine& engine, util::Log& log, health::HealthBoard& board);
  PassiveChecks(const PassiveChecks&) = delete;
  PassiveChecks& operator=(const PassiveChecks&) = delete;
  ~PassiveChecks();

  void follow(const proxy::Snapshot& snapshot);
  // As many connects to it have failed in a row as its service bears.
  void note_failing(const health::HealthBoard::EndpointPtr& endpoint);

 private:
  void on_timer();
  void wake_in_time();

  event::Engine& engine_;
  util::Log& log_;
  util::LogLimit spared_limit_;
  health::Ejections ejections_;
  event::Timer timer_;
};

}  // namespace lb::control
