#include "lb/control/controller.h"

#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <random>
#include <utility>

#include "fmt/format.h"
#include "lb/control/status_sentence.h"
#include "lb/net/socket.h"

namespace lb::control {
namespace {

// Receive buffers of a worker: one a direction is all that a connection can hold. Beyond the bound
// (1 GiB of 64 KiB buffers) receives wait for one to come back.
constexpr int64_t kMaxBuffersPerWorker = 16384;
constexpr int64_t kSpareBuffers = 256;

event::EngineOptions worker_options(int64_t max_connections, const PipeBudget& pipes) {
  event::EngineOptions options;
  options.max_buffers =
      static_cast<uint32_t>(std::min(2 * max_connections + kSpareBuffers, kMaxBuffersPerWorker));
  options.max_pipes = pipes.pipes_per_worker;
  options.pipe_size_bytes = pipes.pipe_size_bytes;
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

Controller::Controller(config::LoadResult loaded, Deployment::Source source,
                       util::LogSink& stderr_sink, util::Log& log)
    : loaded_(std::move(loaded)),
      runtime_(loaded_.config->runtime),
      admin_config_(loaded_.config->admin),
      access_log_(loaded_.config->access_log),
      source_(std::move(source)),
      stderr_sink_(stderr_sink),
      log_(log),
      service_manager_(log) {}

Controller::~Controller() {
  admin_.reset();
  endpoints_watch_.reset();
  care_.reset();
  failures_.reset();
  names_.reset();
  workers_.clear();
  // Its end runs the loop once more, with what the workers have posted for the deployment.
  signals_.reset();
  if (engine_) engine_->timers().stop(drain_timer_);
}

absl::Status Controller::run() {
  absl::Status status = start();
  while (status.ok() && !is_over_) engine_->run_once(util::kNever);
  status.Update(start_status_);
  if (!status.ok()) {
    service_manager_.failed(std::string(status.message()));
    return status;
  }
  log_.info("stopping", {{"connections_left", fmt::format("{}", budget_->used())}});
  deployment_->abandon("the process has stopped");
  admin_.reset();
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
  if (absl::Status status = open_access_log(); !status.ok()) return status;
  names_ = std::make_unique<NameWatch>(*engine_, log_, std::random_device()(), name_hooks());
  failures_ = std::make_unique<FailureWatch>(*engine_, failure_hooks());
  deployment_ = std::make_unique<Deployment>(*engine_, log_, source_, *names_, deployment_hooks());
  if (absl::Status status = deployment_->prepare(std::move(loaded_)); !status.ok()) return status;

  care_ =
      std::make_unique<EndpointCare>(*engine_, workers_, log_, checks_for(raise_open_file_limit()));
  care_->board().follow([this](const health::HealthChange& change) {
    if (change.was_up && !change.is_up) names_->note_failure(change.endpoint->service().name());
  });
  endpoints_watch_ = std::make_unique<EndpointsWatch>(
      *engine_,
      [this](const EndpointsWatch::Paths& paths) { return deployment_->refresh_endpoints(paths); });

  const uint32_t count = runtime_.workers > 0 ? runtime_.workers : usable_cpus();
  if (runtime_.splice != config::SpliceMode::kOff) {
    pipes_ = pipes_for(raise_open_file_limit(), pipe_user_pages(), count);
  }
  const int64_t possible = possible_connections(count);
  const auto wanted = static_cast<int64_t>(runtime_.max_connections);
  if (wanted > possible) {
    log_.warn("the open-file limit allows fewer connections than maxConnections",
              {{"max_connections", fmt::format("{}", wanted)},
               {"possible", fmt::format("{}", possible)}});
  }
  loads_ = std::make_unique<proxy::WorkerLoads>(count);
  budget_ = std::make_unique<proxy::ConnectionBudget>(wanted, possible, *loads_);
  absl::StatusOr<ChosenEngine> chosen = start_workers(count, possible);
  if (!chosen.ok()) return chosen.status();
  chosen_ = *std::move(chosen);
  admin_ = std::make_unique<Admin>(*engine_, log_, admin_hooks());
  admin_->open(admin_config_);
  // From the loop, whose clock is right then: the first health checks go by it.
  engine_->post([this] {
    if (is_over_) return;
    deployment_->start(workers_, [this](const absl::Status& status) { on_started(status); });
  });
  return absl::OkStatus();
}

int64_t Controller::possible_connections(uint32_t workers) const {
  size_t addresses = 0;
  for (const proxy::ListenerSnapshot& listener : deployment_->deployed().snapshot->listeners) {
    addresses += listener.addresses.size();
  }
  const uint64_t all_files = raise_open_file_limit();
  const auto& services = deployment_->deployed().snapshot->services;
  const bool has_checks = std::any_of(services.begin(), services.end(), [](const auto& service) {
    return service.policy.active_check.has_value();
  });
  const uint64_t open_files =
      all_files - pipes_.open_files(workers) - (has_checks ? checks_for(all_files) : 0);
  return connections_for(open_files, addresses * workers, workers);
}

void Controller::on_started(const absl::Status& status) {
  if (!status.ok()) {
    start_status_ = status;
    is_over_ = true;
    return;
  }
  watch_names();
  watch_endpoints();
  const Deployed& deployed = deployment_->deployed();
  care_->follow(deployed);
  log_.info("ready", {{"listeners", fmt::format("{}", deployed.snapshot->listeners.size())},
                      {"addresses", fmt::format("{}", deployed.open.size())},
                      {"workers", fmt::format("{}", workers_.size())},
                      {"engine", std::string(to_string(chosen_.kind))},
                      {"max_connections", fmt::format("{}", budget_->room() + budget_->used())},
                      {"generation", fmt::format("{}", deployed.generation)}});
  service_manager_.ready(serving());
  if (on_ready_) on_ready_();
}

void Controller::warn_about_unserved_settings() {
  const auto warn = [this](const char* key) {
    log_.warn("setting without effect in this version", {{"key", key}});
  };
  if (runtime_.drain_spread_ms > 0) warn("[runtime] drainSpread");
}

absl::Status Controller::open_access_log() {
  if (!access_log_.enabled()) return absl::OkStatus();
  access_sink_ = &stderr_sink_;
  if (access_log_.path == "stderr") return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<LogFile>> file =
      LogFile::open(access_log_.path, format_of(access_log_.format));
  if (!file.ok()) {
    return absl::UnavailableError(fmt::format("[accessLog] path {}: {}", access_log_.path,
                                              std::string(file.status().message())));
  }
  access_file_ = *std::move(file);
  access_sink_ = &access_file_->sink();
  return absl::OkStatus();
}

void Controller::reopen_logs() {
  if (!access_file_) return log_.info("no log is a file: nothing to reopen");
  if (const absl::Status status = access_file_->reopen(); !status.ok()) {
    return log_.error("log not reopened, the old file goes on",
                      {{"path", access_file_->path()}, {"why", std::string(status.message())}});
  }
  log_.info("log reopened", {{"path", access_file_->path()}});
}

std::string Controller::serving() const {
  return serving_sentence(deployment_->deployed(), deployment_->reload_state());
}

Deployment::Hooks Controller::deployment_hooks() {
  return {.on_begin = [this] { service_manager_.reloading(); },
          .before_adopt =
              [this](const Deployed& next, std::function<void()> go_on) {
                care_->prepare(next, std::move(go_on));
              },
          .on_end = [this](const absl::Status& status) { on_reloaded(status); },
          .on_endpoints_changed =
              [this] {
                if (is_over_) return;
                care_->follow(deployment_->deployed());
                service_manager_.changed(serving());
              }};
}

absl::StatusOr<ChosenEngine> Controller::start_workers(uint32_t count, int64_t max_connections) {
  absl::StatusOr<ChosenEngine> chosen = choose_engine(runtime_.engine);
  if (!chosen.ok()) return chosen.status();
  absl::Status status = try_start_workers(count, chosen->kind, max_connections);
  const bool may_fall_back =
      runtime_.engine == config::EngineChoice::kAuto && chosen->kind == event::EngineKind::kUring;
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
  busy_ratios_.clear();
  const proxy::WorkerContext context = {
      *engine_,
      *budget_,
      *loads_,
      log_,
      pause_limit_,
      access_sink_,
      format_of(access_log_.format),
      runtime_.splice,
      [this](std::shared_ptr<balance::Endpoint> endpoint) { note_failing(std::move(endpoint)); }};
  for (uint32_t i = 0; i < count; ++i) {
    auto worker = std::make_unique<proxy::Worker>(i, context);
    if (absl::Status status = worker->start(kind, worker_options(max_connections, pipes_));
        !status.ok()) {
      workers_.clear();
      return status;
    }
    workers_.push_back(std::move(worker));
    busy_ratios_.emplace_back(util::clock_ns(CLOCK_MONOTONIC));
  }
  return absl::OkStatus();
}

void Controller::note_failing(std::shared_ptr<balance::Endpoint> endpoint) {
  engine_->post([this, endpoint = std::move(endpoint)] {
    // At the end of the process the loop runs once more.
    if (care_) care_->note_failing(endpoint);
  });
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
  if (signal == SIGHUP && !is_draining_) {
    deployment_->reload(nullptr);
    return;
  }
  if (signal == SIGUSR1) return reopen_logs();
  log_.warn("signal ignored", {{"signal", std::string("SIG") + sigabbrev_np(signal)}});
}

void Controller::on_reloaded(const absl::Status& status) {
  if (is_over_) return;
  service_manager_.ready(serving());
  watch_names();  // those of a configuration that is not served are dropped
  if (!status.ok()) return;
  budget_->set_pause_above(possible_connections(static_cast<uint32_t>(workers_.size())));
  warn_about_fixed_settings();
  watch_endpoints();
  care_->follow(deployment_->deployed());
}

NameWatch::Hooks Controller::name_hooks() {
  return {.make_resolver =
              [this](const std::vector<net::Address>& servers) {
                return make_cares_resolver(*engine_, servers);
              },
          .on_change = [this] { deployment_->refresh_names(); },
          .has_ipv6 = net::has_family(AF_INET6)};
}

FailureWatch::Hooks Controller::failure_hooks() {
  return {.count =
              [this] {
                FailureWatch::Totals totals;
                for (const auto& worker : workers_) {
                  for (const auto& [name, block] : worker->stats().endpoints()) {
                    uint64_t& total = totals[name.first];
                    for (const util::Counter& failures : block->failures) total += failures.value();
                  }
                }
                return totals;
              },
          .on_failure = [this](const std::string& service) { names_->note_failure(service); }};
}

void Controller::watch_names() {
  if (are_workers_draining_) return;
  names_->follow(config());
  if (names_->is_watching()) {
    failures_->start();
  } else {
    failures_->stop();
  }
}

void Controller::watch_endpoints() {
  EndpointsWatch::Paths paths;
  for (const config::Service& service : config().services) {
    const std::string& path = service.endpoints_file.path;
    if (!path.empty() && !are_workers_draining_) paths.push_back(path);
  }
  endpoints_watch_->follow(paths);
}

void Controller::warn_about_fixed_settings() {
  const config::Runtime& runtime = config().runtime;
  const bool is_changed =
      runtime.engine != runtime_.engine || runtime.splice != runtime_.splice ||
      runtime.workers != runtime_.workers || runtime.max_connections != runtime_.max_connections ||
      config().admin != admin_config_ || config().access_log.path != access_log_.path ||
      config().access_log.format != access_log_.format;
  if (!is_changed) return;
  log_.warn("[runtime], [admin] and [accessLog] are as they were: they need a restart");
}

void Controller::begin_drain() {
  is_draining_ = true;
  if (deployment_->deployed().generation == 0) {
    is_over_ = true;  // nobody is served yet
    return;
  }
  const int64_t timeout_ms = runtime_.announce_grace_ms + runtime_.shutdown_timeout_ms;
  service_manager_.stopping(draining_sentence(budget_->used(), timeout_ms), timeout_ms);
  // A listener that a reload opened now would be one that nobody drains.
  deployment_->close("the process is draining");
  log_.info("draining", {{"connections", fmt::format("{}", budget_->used())},
                         {"shutdown_timeout_ms", fmt::format("{}", runtime_.shutdown_timeout_ms)}});
  if (runtime_.announce_grace_ms == 0) return drain_workers();
  drain_timer_.bind<&Controller::drain_workers>(this);
  engine_->timers().start(drain_timer_, engine_->now_ms() + runtime_.announce_grace_ms);
}

void Controller::drain_workers() {
  are_workers_draining_ = true;
  // What waits for first results goes to the workers now: one that drains takes nothing over.
  deployment_->freeze();
  watch_endpoints();
  names_->stop();
  failures_->stop();
  care_->stop();
  drain_timer_.bind<&Controller::on_drain_timeout>(this);
  engine_->timers().start(drain_timer_, engine_->now_ms() + runtime_.shutdown_timeout_ms);
  for (const auto& worker : workers_) {
    worker->drain([this] { engine_->post([this] { on_worker_drained(); }); });
  }
}

void Controller::on_drain_timeout() { is_over_ = true; }

void Controller::on_worker_drained() {
  if (++drained_workers_ == workers_.size()) is_over_ = true;
}

}  // namespace lb::control
