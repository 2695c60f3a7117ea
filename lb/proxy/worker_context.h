// What the workers of a process share. All of it outlives them; all of it is thread-safe.
#pragma once

#include <functional>
#include <memory>

#include "lb/balance/endpoint.h"
#include "lb/config/runtime.h"
#include "lb/event/engine.h"
#include "lb/proxy/connection_budget.h"
#include "lb/proxy/worker_loads.h"
#include "lb/util/log.h"

namespace lb::proxy {

struct WorkerContext {
  event::Engine& control;  // where snapshots that nobody uses any more are destroyed
  ConnectionBudget& budget;
  WorkerLoads& loads;
  util::Log& log;
  util::LogLimit& pause_limit;           // one line for all listeners that cannot accept
  util::LogSink* access_sink = nullptr;  // null = no access log
  util::RecordFormat access_format = util::RecordFormat::kLogfmt;
  config::SpliceMode splice = config::SpliceMode::kAuto;
  // Connects to this endpoint have failed as often in a row as its service bears. Called in the
  // worker's thread.
  std::function<void(std::shared_ptr<balance::Endpoint>)> on_endpoint_failing = {};
};

}  // namespace lb::proxy
