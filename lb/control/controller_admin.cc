// What the controller answers when its admin asks.
#include <nlohmann/json.hpp>
#include <utility>

#include "fmt/format.h"
#include "lb/config/load.h"
#include "lb/control/admin/metrics.h"
#include "lb/control/admin/status_services.h"
#include "lb/control/controller.h"
#include "lb/control/status.h"
#include "lb/util/clock.h"

namespace lb::control {

AdminHooks Controller::admin_hooks() {
  AdminHooks hooks;
  hooks.status = [this] { return status(); };
  hooks.metrics = [this] { return metrics(); };
  hooks.reload = [this](std::function<void(const ReloadOutcome&)> on_done) {
    reload_for_admin(std::move(on_done));
  };
  hooks.diff = [this](const std::string& path) { return diff_with(path); };
  hooks.change_endpoint = [this](const EndpointWish& wish) {
    return care_->change(deployment_->deployed(), wish);
  };
  hooks.lookup = [this](const std::string& service, const std::string& address) {
    return lookup(*deployment_->deployed().snapshot, service, address, util::mono_now_ms());
  };
  hooks.not_ready = [this] { return not_ready(); };
  hooks.drain = [this] {
    if (!is_draining_) begin_drain();
  };
  return hooks;
}

std::vector<const proxy::WorkerStats*> Controller::worker_stats() const {
  std::vector<const proxy::WorkerStats*> stats;
  for (const auto& worker : workers_) stats.push_back(&worker->stats());
  return stats;
}

std::vector<WorkerFigures> Controller::worker_figures() {
  const int64_t now_ns = util::clock_ns(CLOCK_MONOTONIC);
  std::vector<WorkerFigures> figures;
  for (size_t i = 0; i < workers_.size(); ++i) {
    figures.push_back({.busy_ratio = busy_ratios_[i].update(now_ns, workers_[i]->cpu_ns()),
                       .handed_over = loads_->handed_over(i)});
  }
  return figures;
}

std::string Controller::not_ready() const {
  if (is_draining_) return "draining";
  return deployment_->deployed().generation == 0 ? "starting" : "";
}

nlohmann::json Controller::status() const {
  const Deployed& deployed = deployment_->deployed();
  nlohmann::json status = {{"generation", deployed.generation},
                           {"engine", std::string(to_string(chosen_.kind))},
                           {"connections", budget_->used()},
                           {"notReady", not_ready()},
                           {"lastReload", reload_status(deployment_->reload_state())},
                           {"services", services_status(deployed)}};
  status.update(status_json(deployed.status));
  return status;
}

std::string Controller::metrics() {
  return metrics_text({.deployed = deployment_->deployed(),
                       .reload = deployment_->reload_state(),
                       .workers = worker_stats(),
                       .figures = worker_figures(),
                       .checks = care_->checker().figures(),
                       .engine = chosen_.kind,
                       .version = SLUICE_VERSION,
                       .usage = process_usage(),
                       .dns = names_->figures()});
}

void Controller::reload_for_admin(std::function<void(const ReloadOutcome&)> on_done) {
  if (const std::string why = not_ready(); !why.empty()) {
    ReloadOutcome outcome;
    outcome.error = "the process is " + why;
    outcome.generation = deployment_->deployed().generation;
    return on_done(outcome);
  }
  deployment_->reload([this, on_done = std::move(on_done)](const absl::Status& status) {
    ReloadOutcome outcome;
    outcome.applied = status.ok();
    outcome.generation = deployment_->deployed().generation;
    if (!status.ok()) outcome.error = std::string(status.message());
    if (absl::IsInvalidArgument(status)) {
      for (const config::Fault& fault : deployment_->reload_state().faults) {
        outcome.faults.push_back(config::format(fault));
      }
    }
    on_done(outcome);
  });
}

absl::StatusOr<Diff> Controller::diff_with(const std::string& path) const {
  config::LoadResult loaded = config::load_file(path, &deployment_->deployed().loaded);
  if (!loaded.config) {
    // No more than that: who may ask need not be allowed to read whatever this process can.
    return absl::InvalidArgumentError(
        fmt::format("{} is not valid; `sluice check --config {}` says why", path, path));
  }
  const absl::StatusOr<Deployed> next = deployment_->compile(std::move(loaded));
  if (!next.ok()) return next.status();
  return diff(deployment_->deployed(), *next, worker_stats());
}

}  // namespace lb::control
