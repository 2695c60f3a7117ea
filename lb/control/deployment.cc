#include "lb/control/deployment.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "lb/control/status.h"
#include "lb/util/clock.h"

namespace lb::control {
namespace {

std::string place_of(const config::Fault& fault) {
  return fmt::format("{}:{}:{}", fault.file, fault.where.line, fault.where.column);
}

}  // namespace

absl::StatusOr<Deployed> compile_deployed(config::LoadResult loaded,
                                          balance::EndpointRegistry& registry) {
  Deployed next;
  next.loaded = std::move(loaded);
  next.attachment = config::attach(*next.loaded.config);
  config::locate(next.attachment.findings, next.loaded.sources);
  absl::StatusOr<std::shared_ptr<const proxy::Snapshot>> snapshot =
      proxy::compile(*next.loaded.config, next.attachment, registry);
  if (!snapshot.ok()) return snapshot.status();
  next.snapshot = *std::move(snapshot);
  return next;
}

Deployment::Deployment(event::Engine& engine, util::Log& log, Source source)
    : engine_(engine), log_(log), source_(std::move(source)) {}

absl::Status Deployment::prepare(config::LoadResult loaded) {
  absl::StatusOr<Deployed> first = compile(std::move(loaded));
  if (!first.ok()) return first.status();
  current_ = *std::move(first);
  return absl::OkStatus();
}

void Deployment::start(Workers& workers, OnDone on_done) {
  workers_ = &workers;
  running_.push_back(std::move(on_done));
  BoundSockets sockets =
      bind_listeners(*current_.snapshot, static_cast<uint32_t>(workers.size()), {});
  current_.open = std::move(sockets.open);
  current_.bind_failures = std::move(sockets.failures);
  // A configuration whose listeners are all faulty is reported like any other; one that could be
  // served, but not here, is a failure.
  if (current_.open.empty() && !current_.bind_failures.empty()) {
    report(current_);
    return finish(absl::UnavailableError("no listener could be bound"));
  }
  adopt(std::move(current_), std::move(sockets.by_worker));
}

void Deployment::reload(OnDone on_done) {
  if (is_busy()) {
    waiting_.push_back(std::move(on_done));
    return;
  }
  running_.push_back(std::move(on_done));
  if (absl::Status status = apply(); !status.ok()) finish(status);
}

absl::Status Deployment::apply() {
  config::LoadResult loaded = source_(&current_.loaded);
  if (!loaded.config) {
    const auto is_error = [](const config::Fault& fault) {
      return fault.severity == config::Severity::kError;
    };
    const std::vector<config::Fault>& faults = loaded.faults;
    const auto count = std::count_if(faults.begin(), faults.end(), is_error);
    const config::Fault& first = *std::find_if(faults.begin(), faults.end(), is_error);
    std::string error = fmt::format("{}: {}", place_of(first), first.message);
    if (count > 1) error += fmt::format(" (and {} more)", count - 1);
    return refuse(std::move(loaded.faults), std::move(error));
  }
  absl::StatusOr<Deployed> next = compile(std::move(loaded));
  if (!next.ok()) return refuse({}, std::string(next.status().message()));
  BoundSockets sockets =
      bind_listeners(*next->snapshot, static_cast<uint32_t>(workers_->size()), current_.open);
  next->open = std::move(sockets.open);
  next->bind_failures = std::move(sockets.failures);
  adopt(*std::move(next), std::move(sockets.by_worker));
  return absl::OkStatus();
}

absl::Status Deployment::refuse(std::vector<config::Fault> faults, std::string error) {
  for (const config::Fault& fault : faults) {
    log_.error(
        "configuration",
        {{"at", place_of(fault)}, {"code", config::code_text(fault)}, {"why", fault.message}});
  }
  log_.error("reload refused",
             {{"why", error}, {"generation", fmt::format("{}", current_.generation)}});
  reload_state_.was_successful = false;
  reload_state_.faults = std::move(faults);
  reload_state_.error = error;
  return absl::InvalidArgumentError(error);
}

void Deployment::adopt(Deployed next, std::vector<std::vector<proxy::BoundListener>> listeners) {
  if (!is_refresh_) {
    report(next);
    next.generation = current_.generation + 1;
  }
  next.status = status_of(next, current_.status, util::wall_now_us() / 1000);
  current_ = std::move(next);
  workers_left_ = workers_->size();
  for (size_t i = 0; i < workers_->size(); ++i) {
    (*workers_)[i]->adopt(current_.snapshot, std::move(listeners[i]),
                          [this] { engine_.post([this] { on_worker_done(); }); });
  }
}

void Deployment::on_worker_done() {
  if (--workers_left_ > 0) return;
  endpoints_.forget_gone();
  if (std::exchange(is_refresh_, false)) {
    report_endpoints();
    return finish(absl::OkStatus());
  }
  reload_state_ = ReloadState();
  reload_state_.success_wall_us = util::wall_now_us();
  if (current_.generation > 1) {
    log_.info("reloaded", {{"generation", fmt::format("{}", current_.generation)},
                           {"listeners", fmt::format("{}", current_.snapshot->listeners.size())},
                           {"addresses", fmt::format("{}", current_.open.size())}});
  }
  finish(absl::OkStatus());
}

void Deployment::finish(const absl::Status& status) {
  const std::vector<OnDone> done = std::exchange(running_, {});
  for (const OnDone& on_done : done) {
    if (on_done) on_done(status);
  }
  if (waiting_.empty() || is_busy()) return;
  running_ = std::exchange(waiting_, {});
  if (is_stopped_) return finish(absl::UnavailableError("the process is draining"));
  if (absl::Status again = apply(); !again.ok()) finish(again);
}

void Deployment::report(const Deployed& deployed) {
  for (const auto* faults : {&deployed.loaded.faults, &deployed.attachment.findings}) {
    for (const config::Fault& fault : *faults) warn_of(fault);
  }
  for (const config::Fault& fault : bind_faults(deployed)) {
    log_.error(
        "listener not bound",
        {{"at", place_of(fault)}, {"code", config::code_text(fault)}, {"why", fault.message}});
  }
}

void Deployment::warn_of(const config::Fault& fault) {
  log_.warn("configuration",
            {{"at", place_of(fault)}, {"code", config::code_text(fault)}, {"why", fault.message}});
}

}  // namespace lb::control
