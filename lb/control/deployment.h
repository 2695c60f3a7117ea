// The configuration that is served, and the way from one to the next: load, check all, compile,
// bind what is new, then swap a pointer on each worker. Whatever fails leaves everything as it was.
// Control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lb/config/attach/attach.h"
#include "lb/config/load.h"
#include "lb/config/read/endpoints_update.h"
#include "lb/config/status/conditions.h"
#include "lb/control/binder.h"
#include "lb/control/dns/name_watch.h"
#include "lb/event/engine.h"
#include "lb/proxy/snapshot.h"
#include "lb/proxy/worker.h"
#include "lb/util/clock.h"
#include "lb/util/log.h"

namespace lb::control {

// A configuration with all that follows from it; what status, diff and metrics read.
struct Deployed {
  config::LoadResult loaded;  // with a config
  config::Attachment attachment;
  std::shared_ptr<const proxy::Snapshot> snapshot;
  OpenAddresses open;                      // what listens
  std::vector<BindFailure> bind_failures;  // what should and does not
  uint64_t generation = 0;
  config::Status status;  // once it is adopted
};

// Compiles what was loaded; the error says what validation should have.
absl::StatusOr<Deployed> compile_deployed(config::LoadResult loaded,
                                          balance::EndpointRegistry& registry);

// How the last attempt to change the configuration ended.
struct ReloadState {
  bool was_successful = true;
  int64_t success_wall_us = 0;        // of the last one that succeeded
  std::vector<config::Fault> faults;  // why it was refused, located
  std::string error;                  // the same in one line; empty when it was not
};

class Deployment {
 public:
  // Loads anew; gets what is served, or null at the start.
  using Source = std::function<config::LoadResult(const config::LoadResult*)>;
  using Workers = std::vector<std::unique_ptr<proxy::Worker>>;
  // OK once every worker has adopted the configuration, or why it was refused.
  using OnDone = std::function<void(absl::Status)>;

  // Called at the two ends of each reload, however many have asked for it, and before any of them
  // is told what came of it; and after a change of endpoints. All must be set.
  struct Hooks {
    std::function<void()> on_begin;
    // Every configuration before the workers get it, the first one too: they do when `go_on` is
    // called, at once or from the loop.
    std::function<void(const Deployed& next, std::function<void()> go_on)> before_adopt;
    OnDone on_end;
    std::function<void()> on_endpoints_changed;
  };

  // All must outlive the deployment.
  Deployment(event::Engine& engine, util::Log& log, Source source, NameWatch& names, Hooks hooks);
  Deployment(const Deployment&) = delete;
  Deployment& operator=(const Deployment&) = delete;
  ~Deployment();

  // The first configuration, before there are workers: loads nothing, binds nothing.
  absl::Status prepare(config::LoadResult loaded);
  // Waits for the names of endpoints, as long as kStartWaitMs, binds, and hands the first
  // configuration to the workers; fails when nothing of what is to be served can be bound.
  void start(Workers& workers, OnDone on_done);

  // Loads again and goes over to what it finds. Attempts that arrive while one is under way, or
  // right after one, become one more attempt after it, with one outcome for all.
  void reload(OnDone on_done);
  // No more reloads: who waits for one is told `why` at once, who asks from now on as well. One
  // that is under way comes to its end.
  void close(std::string why);
  // No more changes of endpoints either: the workers get nothing more than what they are about to.
  void freeze() { is_frozen_ = true; }
  // Both, without waiting for the one under way: nobody will learn how it ended.
  void abandon(std::string why);

  // Reads these endpoints files (endpoints_update.h) and goes over to what they say, with all else
  // as it is: no reload, no new generation. Returns those to be asked for again soon.
  std::vector<std::string> refresh_endpoints(const std::vector<std::string>& paths);

  // Goes over to what the names of endpoints come to now, in the same way, once nothing else is
  // under way.
  void refresh_names();

  const Deployed& deployed() const { return current_; }
  // What would be served if this were the configuration, as far as its names are known. Changes
  // nothing.
  absl::StatusOr<Deployed> compile(config::LoadResult loaded) {
    names_.resolve(*loaded.config);
    return compile_deployed(std::move(loaded), endpoints_);
  }
  const ReloadState& reload_state() const { return reload_state_; }

 private:
  // What is under way.
  enum class Attempt { kNone, kStart, kReload, kEndpoints };

  // How soon after an attempt the next one may begin, so that a burst of signals is one attempt or
  // two.
  static constexpr util::MonoTimeMs kSpacingMs = 50;

  // For how long names that are new are waited for. One that has no address by then gets its
  // endpoints later, and its service has none until then.
  static constexpr int64_t kStartWaitMs = 2'000;
  static constexpr int64_t kReloadWaitMs = 1'000;

  // How the endpoints of a service have changed.
  struct EndpointsChange {
    std::string service;
    size_t added = 0;
    size_t removed = 0;
    size_t total = 0;  // now
  };

  // Begins a reload for all who wait, when nothing is under way and the last is long enough ago.
  void begin_next();
  // The start and a reload, once the names have been waited for.
  void serve_first();
  void apply_loaded();
  absl::Status load();
  absl::Status apply(config::LoadResult loaded);
  absl::Status refuse(std::vector<config::Fault> faults, std::string error);
  using Listeners = std::vector<std::vector<proxy::BoundListener>>;  // by worker
  void adopt(Deployed next, Listeners listeners);
  void hand_over(Deployed next, Listeners listeners);
  void on_worker_done();
  void finish(const absl::Status& status);
  void report(const Deployed& deployed);
  void warn_of(const config::Fault& fault);

  // deployment_endpoints.cc
  std::vector<config::EndpointsUpdate> read_updates(const std::vector<std::string>& paths,
                                                    std::vector<std::string>& again);
  void apply_updates(std::vector<config::EndpointsUpdate> updates);
  void apply_names();
  void change_endpoints(config::LoadResult loaded);
  void report_endpoints();

  event::Engine& engine_;
  util::Log& log_;
  const Source source_;
  NameWatch& names_;
  const Hooks hooks_;
  Workers* workers_ = nullptr;
  balance::EndpointRegistry endpoints_;
  Deployed current_;
  ReloadState reload_state_;
  Attempt attempt_ = Attempt::kNone;
  config::LoadResult coming_;               // of a reload that waits for names
  bool have_names_changed_ = false;         // since something was compiled
  std::vector<OnDone> running_;             // who waits for the attempt under way
  std::vector<OnDone> waiting_;             // for the next one
  std::vector<EndpointsChange> refreshed_;  // what a change of endpoints comes to
  size_t workers_left_ = 0;
  util::MonoTimeMs next_begin_ms_ = 0;
  event::Timer begin_timer_;
  std::string closed_why_;  // empty = reloads are welcome
  bool is_frozen_ = false;  // changes of endpoints are not
};

}  // namespace lb::control
