#include "lb/control/deployment.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "fmt/format.h"
#include "lb/control/source_check.h"
#include "lb/control/status.h"
#include "lb/proxy/connection_bounds.h"
#include "lb/util/clock.h"

namespace lb::control {
namespace {

void tell(const std::vector<Deployment::OnDone>& who, const absl::Status& status) {
  for (const Deployment::OnDone& on_done : who) {
    if (on_done) on_done(status);
  }
}

std::string place_of(const config::Fault& fault) {
  if (fault.where.line == 0) return fault.file;  // one that could not be read
  return fmt::format("{}:{}:{}", fault.file, fault.where.line, fault.where.column);
}

// Endpoints that were not served until now come up with the configuration.
void begin_new_endpoints(const proxy::Snapshot& before, const proxy::Snapshot& next) {
  absl::flat_hash_set<const balance::Endpoint*> known;
  for (const proxy::ServiceSnapshot& service : before.services) {
    for (const balance::WeightedEndpoint& entry : service.endpoints) {
      known.insert(entry.endpoint.get());
    }
  }
  const util::MonoTimeMs now_ms = util::mono_now_ms();
  for (const proxy::ServiceSnapshot& service : next.services) {
    for (const balance::WeightedEndpoint& entry : service.endpoints) {
      if (!known.contains(entry.endpoint.get())) entry.endpoint->set_up_since_ms(now_ms);
    }
  }
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

Deployment::Deployment(event::Engine& engine, util::Log& log, Source source, NameWatch& names,
                       Hooks hooks)
    : engine_(engine),
      log_(log),
      source_(std::move(source)),
      names_(names),
      hooks_(std::move(hooks)) {
  begin_timer_.bind<&Deployment::begin_next>(this);
}

Deployment::~Deployment() { engine_.timers().stop(begin_timer_); }

absl::Status Deployment::prepare(config::LoadResult loaded) {
  absl::StatusOr<Deployed> first = compile(std::move(loaded));
  if (!first.ok()) return first.status();
  current_ = *std::move(first);
  return absl::OkStatus();
}

void Deployment::start(Workers& workers, OnDone on_done) {
  workers_ = &workers;
  attempt_ = Attempt::kStart;
  running_.push_back(std::move(on_done));
  names_.look_up(*current_.loaded.config, kStartWaitMs, [this] { serve_first(); });
}

void Deployment::serve_first() {
  if (!closed_why_.empty()) {
    // A drain has begun, and comes to its own end.
    attempt_ = Attempt::kNone;
    running_.clear();
    return;
  }
  if (names_.is_watching()) {
    have_names_changed_ = false;
    absl::Status status = prepare(current_.loaded);
    if (!status.ok()) return finish(status);
  }
  BoundSockets sockets =
      bind_listeners(*current_.snapshot, static_cast<uint32_t>(workers_->size()), {});
  current_.open = std::move(sockets.open);
  current_.bind_failures = std::move(sockets.failures);
  // A configuration whose listeners are all faulty is reported like any other; one that could be
  // served, but not here, is a failure.
  if (current_.open.empty() && !current_.bind_failures.empty()) {
    report(current_);
    return finish(absl::UnavailableError("no listener could be bound"));
  }
  // A copy: who asks how things are is told from `current_`, also while first results are awaited.
  adopt(current_, std::move(sockets.by_worker));
}

void Deployment::reload(OnDone on_done) {
  if (!closed_why_.empty()) return tell({on_done}, absl::UnavailableError(closed_why_));
  waiting_.push_back(std::move(on_done));
  begin_next();
}

void Deployment::close(std::string why) {
  closed_why_ = std::move(why);
  tell(std::exchange(waiting_, {}), absl::UnavailableError(closed_why_));
}

void Deployment::abandon(std::string why) {
  close(std::move(why));
  freeze();
  tell(std::exchange(running_, {}), absl::UnavailableError(closed_why_));
}

void Deployment::begin_next() {
  if (attempt_ != Attempt::kNone) return;
  if (waiting_.empty()) {
    if (have_names_changed_ && !is_frozen_) apply_names();
    return;
  }
  if (util::mono_now_ms() < next_begin_ms_) {
    return engine_.timers().start(begin_timer_, next_begin_ms_);
  }
  attempt_ = Attempt::kReload;
  running_ = std::exchange(waiting_, {});
  hooks_.on_begin();
  if (absl::Status status = load(); !status.ok()) finish(status);
}

absl::Status Deployment::load() {
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
  coming_ = std::move(loaded);
  names_.look_up(*coming_.config, kReloadWaitMs, [this] { apply_loaded(); });
  return absl::OkStatus();
}

void Deployment::apply_loaded() {
  config::LoadResult loaded = std::exchange(coming_, {});
  absl::Status status =
      closed_why_.empty() ? apply(std::move(loaded)) : absl::UnavailableError(closed_why_);
  if (!status.ok()) finish(status);
}

absl::Status Deployment::apply(config::LoadResult loaded) {
  have_names_changed_ = false;
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

void Deployment::adopt(Deployed next, Listeners listeners) {
  struct Held {
    Deployed next;
    Listeners listeners;
  };
  // A std::function is to be copied, which sockets are not.
  const auto held = std::make_shared<Held>(Held{std::move(next), std::move(listeners)});
  hooks_.before_adopt(
      held->next, [this, held] { hand_over(std::move(held->next), std::move(held->listeners)); });
}

void Deployment::hand_over(Deployed next, Listeners listeners) {
  if (attempt_ != Attempt::kEndpoints) {
    report(next);
    next.generation = current_.generation + 1;
  }
  if (current_.generation > 0) begin_new_endpoints(*current_.snapshot, *next.snapshot);
  next.status = status_of(next, current_.status, util::wall_now_us() / 1000);
  current_ = std::move(next);
  proxy::set_connection_bounds(*current_.snapshot);
  workers_left_ = workers_->size();
  std::vector<std::shared_ptr<proxy::Router>> routers;
  const auto seed = static_cast<uint64_t>(util::wall_now_us());
  for (const auto& worker : *workers_) {
    routers.push_back(worker->make_router(current_.snapshot, seed));
  }
  proxy::Router::introduce(routers);
  for (size_t i = 0; i < workers_->size(); ++i) {
    (*workers_)[i]->adopt(std::move(routers[i]), std::move(listeners[i]),
                          [this] { engine_.post([this] { on_worker_done(); }); });
  }
}

void Deployment::on_worker_done() {
  if (--workers_left_ > 0) return;
  endpoints_.forget_gone();
  if (attempt_ == Attempt::kEndpoints) {
    report_endpoints();
    hooks_.on_endpoints_changed();
  } else {
    reload_state_ = ReloadState();
    reload_state_.success_wall_us = util::wall_now_us();
  }
  if (attempt_ == Attempt::kReload) {
    log_.info("reloaded", {{"generation", fmt::format("{}", current_.generation)},
                           {"listeners", fmt::format("{}", current_.snapshot->listeners.size())},
                           {"addresses", fmt::format("{}", current_.open.size())}});
  }
  finish(absl::OkStatus());
}

void Deployment::finish(const absl::Status& status) {
  if (std::exchange(attempt_, Attempt::kNone) == Attempt::kReload) {
    next_begin_ms_ = util::mono_now_ms() + kSpacingMs;
    hooks_.on_end(status);
  }
  tell(std::exchange(running_, {}), status);
  begin_next();
}

void Deployment::report(const Deployed& deployed) {
  for (const auto* faults : {&deployed.loaded.faults, &deployed.attachment.findings}) {
    for (const config::Fault& fault : *faults) warn_of(fault);
  }
  warn_of_sources(*deployed.loaded.config, log_);
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
