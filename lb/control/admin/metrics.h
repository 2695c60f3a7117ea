// All metrics of the process as Prometheus text. Counters are what the workers count under names
// that survive a reload; gauges of endpoints are those of the configuration that is served.
// Control thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lb/control/admin/process_usage.h"
#include "lb/control/deployment.h"
#include "lb/control/dns/name_watch.h"
#include "lb/event/engine_factory.h"
#include "lb/health/health_checker.h"
#include "lb/proxy/stats.h"

namespace lb::control {

// Of one worker, beside its counters.
struct WorkerFigures {
  double busy_ratio = 0;
  uint64_t handed_over = 0;  // connections, to other workers
};

// Of one endpoint that is checked.
using CheckFigures = health::HealthChecker::Figures;

struct MetricsInput {
  const Deployed& deployed;
  const ReloadState& reload;
  std::vector<const proxy::WorkerStats*> workers;
  std::vector<WorkerFigures> figures;  // as `workers`
  std::vector<CheckFigures> checks = {};
  event::EngineKind engine;
  std::string_view version;
  ProcessUsage usage;
  DNSFigures dns = {};
};

inline constexpr const char* kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

std::string metrics_text(const MetricsInput& input);

}  // namespace lb::control
