#include "lb/control/controller.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "fmt/format.h"
#include "lb/control/limits.h"

namespace lb::control {
namespace {

// Receive buffers of a worker: one a direction is all that a connection can hold. Beyond the bound
// (1 GiB of 16 KiB buffers) receives wait for one to come back.
constexpr int64_t kMaxBuffersPerWorker = 65536;
constexpr int64_t kSpareBuffers = 256;

event::EngineOptions worker_options(int64_t max_connections) {
  event::EngineOptions options;
  options.max_buffers =
      static_cast<uint32_t>(std::min(2 * max_connections + kSpareBuffers, kMaxBuffersPerWorker));
  return options;
}

event::EngineOptions control_options() {
  event::EngineOptions options;
  options.max_buffers = 16;
  return options;
}

util::RecordFormat format_of(config::LogFormat format) {
  return format == config::LogFormat::kJSON ? util::RecordFormat::kJSON
                                            : util::RecordFormat::kLogfmt;
}

}  // namespace

Controller::Controller(config::Config config, util::LogSink& stderr_sink, util::Log& log)
    : config_(std::move(config)), stderr_sink_(stderr_sink), log_(log) {}

Controller::~Controller() {
  workers_.clear();
  if (engine_) engine_->timers().stop(drain_timer_);
}

absl::Status Controller::run() {
  if (absl::Status status = start(); !status.ok()) return status;
  while (!is_over_) engine_->run_once(util::kNever);
  log_.info("stopping", {{"connections_left", fmt::format("{}", budget_->used())}});
  workers_.clear();
  log_.info("stopped");
  return absl::OkStatus();
}

absl::Status Controller::start() {
  absl::StatusOr<std::unique_ptr<event::Engine>> engine =
      event::make_engine(event::EngineKind::kEpoll, control_options());
  if (!engine.ok()) return engine.status();
  engine_ = *std::move(engine);
  signals_ = std::make_unique<Signals>(*engine_, [this](int signal) { on_signal(signal); });

  warn_about_unserved_settings();
  const config::Attachment attachment = config::attach(config_);
  absl::StatusOr<std::shared_ptr<const proxy::Snapshot>> snapshot =
      proxy::compile(config_, attachment, nullptr);
  if (!snapshot.ok()) return snapshot.status();
  if (absl::Status status = open_access_log(); !status.ok()) return status;

  const uint32_t count = config_.runtime.workers > 0 ? config_.runtime.workers : usable_cpus();
  BoundSockets sockets = bind_listeners(**snapshot, count);
  report_bind_failures(**snapshot, sockets.failures);
  if (sockets.bound_addresses == 0) return absl::UnavailableError("no listener could be bound");

  const uint64_t open_files = raise_open_file_limit();
  const int64_t max_connections =
      connections_for(open_files, sockets.bound_addresses * count, count);
  const auto wanted_connections = static_cast<int64_t>(config_.runtime.max_connections);
  if (wanted_connections > max_connections) {
    log_.warn("the open-file limit allows fewer connections than maxConnections",
              {{"max_connections", fmt::format("{}", wanted_connections)},
               {"possible", fmt::format("{}", max_connections)},
               {"open_files", fmt::format("{}", open_files)}});
  }
  budget_ = std::make_unique<proxy::ConnectionBudget>(wanted_connections, max_connections);
  const absl::StatusOr<ChosenEngine> chosen = start_workers(count, max_connections);
  if (!chosen.ok()) return chosen.status();
  for (uint32_t i = 0; i < count; ++i) {
    workers_[i]->serve(*snapshot, std::move(sockets.by_worker[i]));
  }
  log_.info("ready", {{"listeners", fmt::format("{}", (*snapshot)->listeners.size())},
                      {"addresses", fmt::format("{}", sockets.bound_addresses)},
                      {"workers", fmt::format("{}", count)},
                      {"engine", std::string(to_string(chosen->kind))},
                      {"max_connections", fmt::format("{}", max_connections)},
                      {"generation", "1"}});
  if (on_ready_) on_ready_();
  return absl::OkStatus();
}

void Controller::warn_about_unserved_settings() {
  const auto warn = [this](const char* key) {
    log_.warn("setting without effect in this version", {{"key", key}});
  };
  if (config_.admin.http.is_ip()) warn("[admin] http");
  if (config_.admin.socket != config::kDefaultControlSocket && !config_.admin.socket.empty()) {
    warn("[admin] socket");
  }
  if (config_.runtime.splice == config::SpliceMode::kAlways) warn("[runtime] splice");
  if (config_.runtime.drain_spread_ms > 0) warn("[runtime] drainSpread");
}

absl::Status Controller::open_access_log() {
  const config::AccessLog& access_log = config_.access_log;
  if (!access_log.enabled()) return absl::OkStatus();
  access_sink_ = &stderr_sink_;
  if (access_log.path == "stderr") return absl::OkStatus();
  access_fd_.reset(open(access_log.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  if (!access_fd_.is_open()) {
    return absl::UnavailableError(
        fmt::format("[accessLog] path {}: {}", access_log.path, std::strerror(errno)));
  }
  access_file_sink_ =
      std::make_unique<util::LogSink>(access_fd_.get(), format_of(access_log.format));
  access_sink_ = access_file_sink_.get();
  return absl::OkStatus();
}

absl::StatusOr<ChosenEngine> Controller::start_workers(uint32_t count, int64_t max_connections) {
  absl::StatusOr<ChosenEngine> chosen = choose_engine(config_.runtime.engine);
  if (!chosen.ok()) return chosen.status();
  absl::Status status = try_start_workers(count, chosen->kind, max_connections);
  const bool may_fall_back = config_.runtime.engine == config::EngineChoice::kAuto &&
                             chosen->kind == event::EngineKind::kUring;
  if (!status.ok() && may_fall_back) {
    // One ring passed its test and the n-th could not be had: locked memory, mostly.
    *chosen = {event::EngineKind::kEpoll, "no io_uring: " + std::string(status.message()), true};
    status = try_start_workers(count, chosen->kind, max_connections);
  }
  if (!status.ok()) return status;
  const util::Log::Fields fields = {{"engine", std::string(to_string(chosen->kind))},
                                    {"why", chosen->why},
                                    {"kernel", event::kernel_release()}};
  if (chosen->is_fallback) {
    log_.warn("engine", fields);
  } else {
    log_.info("engine", fields);
  }
  return chosen;
}

absl::Status Controller::try_start_workers(uint32_t count, event::EngineKind kind,
                                           int64_t max_connections) {
  workers_.clear();
  const proxy::WorkerContext context = {*budget_, log_, pause_limit_, access_sink_,
                                        format_of(config_.access_log.format)};
  for (uint32_t i = 0; i < count; ++i) {
    auto worker = std::make_unique<proxy::Worker>(i, context);
    if (absl::Status status = worker->start(kind, worker_options(max_connections)); !status.ok()) {
      workers_.clear();
      return status;
    }
    workers_.push_back(std::move(worker));
  }
  return absl::OkStatus();
}

void Controller::report_bind_failures(const proxy::Snapshot& snapshot,
                                      const std::vector<BindFailure>& failures) {
  for (const BindFailure& failure : failures) {
    const proxy::ListenerSnapshot& listener = snapshot.listeners[failure.listener];
    log_.error("listener not bound", {{"gateway", listener.gateway},
                                      {"listener", listener.name},
                                      {"address", failure.address},
                                      {"why", failure.why}});
  }
}

void Controller::on_signal(int signal) {
  if (signal == SIGTERM || signal == SIGINT) {
    if (is_draining_) {
      is_over_ = true;
    } else {
      begin_drain();
    }
    return;
  }
  log_.warn("signal ignored: this version neither reloads nor upgrades",
            {{"signal", std::string("SIG") + sigabbrev_np(signal)}});
}

void Controller::begin_drain() {
  is_draining_ = true;
  log_.info("draining",
            {{"connections", fmt::format("{}", budget_->used())},
             {"shutdown_timeout_ms", fmt::format("{}", config_.runtime.shutdown_timeout_ms)}});
  if (config_.runtime.announce_grace_ms == 0) return drain_workers();
  drain_timer_.bind<&Controller::drain_workers>(this);
  engine_->timers().start(drain_timer_, engine_->now_ms() + config_.runtime.announce_grace_ms);
}

void Controller::drain_workers() {
  drain_timer_.bind<&Controller::on_drain_timeout>(this);
  engine_->timers().start(drain_timer_, engine_->now_ms() + config_.runtime.shutdown_timeout_ms);
  for (const auto& worker : workers_) {
    worker->drain([this] { engine_->post([this] { on_worker_drained(); }); });
  }
}

void Controller::on_drain_timeout() { is_over_ = true; }

void Controller::on_worker_drained() {
  if (++drained_workers_ == workers_.size()) is_over_ = true;
}

}  // namespace lb::control
