// The process's life from a loaded configuration to its end: chooses the engine, binds, starts the
// workers, answers signals, drains. Owns the workers. Main thread, which is the control thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "lb/config/attach.h"
#include "lb/config/model.h"
#include "lb/control/binder.h"
#include "lb/control/engine_choice.h"
#include "lb/control/signals.h"
#include "lb/event/engine.h"
#include "lb/net/fd.h"
#include "lb/proxy/connection_budget.h"
#include "lb/proxy/worker.h"
#include "lb/util/log.h"

namespace lb::control {

class Controller {
 public:
  // `log` writes to `stderr_sink`; both must outlive the controller.
  Controller(config::Config config, util::LogSink& stderr_sink, util::Log& log);
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
  void report_bind_failures(const proxy::Snapshot& snapshot,
                            const std::vector<BindFailure>& failures);

  void on_signal(int signal);
  void begin_drain();
  void drain_workers();
  void on_drain_timeout();
  void on_worker_drained();

  config::Config config_;
  util::LogSink& stderr_sink_;
  util::Log& log_;
  util::LogLimit pause_limit_;
  std::function<void()> on_ready_;

  net::UniqueFd access_fd_;
  std::unique_ptr<util::LogSink> access_file_sink_;
  util::LogSink* access_sink_ = nullptr;

  std::unique_ptr<event::Engine> engine_;
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<proxy::ConnectionBudget> budget_;
  std::vector<std::unique_ptr<proxy::Worker>> workers_;
  event::Timer drain_timer_;  // the end of the announcement, then of the drain
  bool is_draining_ = false;
  bool is_over_ = false;
  size_t drained_workers_ = 0;
};

}  // namespace lb::control
