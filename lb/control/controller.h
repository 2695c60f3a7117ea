// The process's life from a loaded configuration to its end: chooses the engine, starts the
// workers, answers signals, reloads, drains. Owns the workers. Main thread, which is the control
// thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "lb/config/load.h"
#include "lb/control/admin/admin.h"
#include "lb/control/admin/busy_ratio.h"
#include "lb/control/admin/metrics.h"
#include "lb/control/deployment.h"
#include "lb/control/dns/failure_watch.h"
#include "lb/control/dns/name_watch.h"
#include "lb/control/endpoint_care.h"
#include "lb/control/endpoints_watch.h"
#include "lb/control/engine_choice.h"
#include "lb/control/limits.h"
#include "lb/control/log_file.h"
#include "lb/control/service_manager.h"
#include "lb/control/signals.h"
#include "lb/event/engine.h"
#include "lb/proxy/connection_budget.h"
#include "lb/proxy/worker.h"
#include "lb/proxy/worker_loads.h"
#include "lb/util/log.h"

namespace lb::control {

class Controller {
 public:
  // `loaded` has a config, the first to serve; `source` reads it again for a reload. `log` writes
  // to `stderr_sink`; both must outlive the controller.
  Controller(config::LoadResult loaded, Deployment::Source source, util::LogSink& stderr_sink,
             util::Log& log);
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;
  ~Controller();

  // Called once everything listens.
  void set_on_ready(std::function<void()> on_ready) { on_ready_ = std::move(on_ready); }

  // Serves until it is told to end. OK after a drain; an error when it could not start.
  absl::Status run();

 private:
  absl::Status start();
  // Keys of the contract that load already and do nothing yet.
  void warn_about_unserved_settings();
  absl::Status open_access_log();
  absl::StatusOr<ChosenEngine> start_workers(uint32_t count, int64_t max_connections);
  absl::Status try_start_workers(uint32_t count, event::EngineKind kind, int64_t max_connections);
  // How many connections the open-file limit allows beside the listeners of the configuration.
  int64_t possible_connections(uint32_t workers) const;
  // Any thread.
  void note_failing(std::shared_ptr<balance::Endpoint> endpoint);
  void on_started(const absl::Status& status);

  void on_signal(int signal);
  void reopen_logs();
  Deployment::Hooks deployment_hooks();
  std::string serving() const;  // for the service manager
  void on_reloaded(const absl::Status& status);
  NameWatch::Hooks name_hooks();
  FailureWatch::Hooks failure_hooks();
  // Of what is served now, until the workers drain.
  void watch_names();
  void watch_endpoints();
  void warn_about_fixed_settings();
  void begin_drain();
  void drain_workers();
  void on_drain_timeout();
  void on_worker_drained();
  // controller_admin.cc: what the admin's pages ask for.
  AdminHooks admin_hooks();
  std::vector<const proxy::WorkerStats*> worker_stats() const;
  std::string not_ready() const;
  nlohmann::json status() const;
  std::vector<WorkerFigures> worker_figures();
  std::string metrics();
  void reload_for_admin(std::function<void(const ReloadOutcome&)> on_done);
  absl::StatusOr<Diff> diff_with(const std::string& path) const;

  const config::Config& config() const { return *deployment_->deployed().loaded.config; }

  config::LoadResult loaded_;  // until the deployment takes it over
  const config::Runtime runtime_;
  const config::Admin admin_config_;
  const config::AccessLog access_log_;
  Deployment::Source source_;
  util::LogSink& stderr_sink_;
  util::Log& log_;
  util::LogLimit pause_limit_;
  std::function<void()> on_ready_;

  ServiceManager service_manager_;
  std::unique_ptr<LogFile> access_file_;  // when it is one
  util::LogSink* access_sink_ = nullptr;

  std::unique_ptr<event::Engine> engine_;
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<proxy::WorkerLoads> loads_;
  std::unique_ptr<proxy::ConnectionBudget> budget_;
  std::unique_ptr<NameWatch> names_;
  std::unique_ptr<FailureWatch> failures_;
  std::unique_ptr<Deployment> deployment_;
  Deployment::Workers workers_;
  std::vector<BusyRatio> busy_ratios_;  // as workers_
  std::unique_ptr<EndpointsWatch> endpoints_watch_;
  std::unique_ptr<EndpointCare> care_;
  ChosenEngine chosen_;
  PipeBudget pipes_;
  absl::Status start_status_;
  event::Timer drain_timer_;  // the end of the announcement, then of the drain
  bool is_draining_ = false;  // no longer ready
  bool are_workers_draining_ = false;
  bool is_over_ = false;
  size_t drained_workers_ = 0;
  std::unique_ptr<Admin> admin_;
};

}  // namespace lb::control
