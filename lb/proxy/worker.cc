#include "lb/proxy/worker.h"

#include <pthread.h>

#include <future>
#include <map>
#include <utility>

#include "fmt/format.h"
#include "lb/proxy/access_log.h"
#include "lb/proxy/connection_table.h"
#include "lb/proxy/listener.h"
#include "lb/proxy/router.h"
#include "lb/util/random.h"

namespace lb::proxy {

// What lives in the worker's thread.
class Worker::Loop {
 public:
  Loop(uint32_t index, const WorkerContext& context, std::unique_ptr<event::Engine> engine)
      : context_(context),
        engine_(std::move(engine)),
        access_log_(context.access_sink, context.access_format),
        table_(*engine_, context.budget, access_log_, first_id(index)) {
    table_.set_on_empty([this] { tell_when_drained(); });
  }

  event::Engine& engine() { return *engine_; }

  void run() {
    while (!stopping_ || !is_idle()) {
      engine_->run_once(util::kNever);
      access_log_.flush();
    }
  }

  void adopt(const std::shared_ptr<Router>& router, std::vector<BoundListener> wanted,
             std::function<void()> on_done) {
    on_adopted_ = std::move(on_done);
    Listeners kept;
    for (BoundListener& entry : wanted) {
      std::unique_ptr<Listener>& listener = kept[entry.address];
      if (entry.fd.is_open()) {
        listener = std::make_unique<Listener>(*engine_, table_, context_, std::move(entry.fd));
      } else {
        listener = std::move(listeners_.at(entry.address));
        listeners_.erase(entry.address);
      }
      listener->serve(router, entry.listener);
    }
    for (auto& [address, listener] : listeners_) retire(std::move(listener));
    listeners_ = std::move(kept);
    tell_when_adopted();
  }

  void drain(std::function<void()> on_drained) {
    on_drained_ = std::move(on_drained);
    for (auto& [address, listener] : listeners_) retire(std::move(listener));
    listeners_.clear();
    tell_when_drained();
  }

  void stop() {
    stopping_ = true;
    on_drained_ = nullptr;
    on_adopted_ = nullptr;
    for (auto& [address, listener] : listeners_) retire(std::move(listener));
    listeners_.clear();
    table_.close_all(CloseReason::kDrained);
  }

 private:
  using Listeners = std::map<std::string, std::unique_ptr<Listener>>;

  // The worker's number in the upper bits, so that ids of one process never meet; a random start in
  // the lower ones, so that those of two processes hardly ever do.
  static uint64_t first_id(uint32_t index) {
    constexpr int kCounterBits = 52;
    util::Random random(static_cast<uint64_t>(util::wall_now_us()));
    return (static_cast<uint64_t>(index) << kCounterBits) | (random.next() >> (65 - kCounterBits));
  }

  bool is_idle() const { return listeners_.empty() && retired_.empty() && table_.is_empty(); }

  void retire(std::unique_ptr<Listener> listener) {
    Listener* const retired = listener.get();
    retired_.emplace(retired, std::move(listener));
    const auto on_closed = [this, retired] {
      retired_.erase(retired);
      tell_when_adopted();
      tell_when_drained();
    };
    if (stopping_) {
      retired->close(on_closed);
    } else {
      retired->drain(on_closed);
    }
  }

  void tell_when_adopted() {
    if (on_adopted_ && retired_.empty()) std::exchange(on_adopted_, nullptr)();
  }

  void tell_when_drained() {
    // A listener that drains may bring in more after stop() has closed what was there.
    if (stopping_) table_.close_all(CloseReason::kDrained);
    if (on_drained_ && is_idle()) std::exchange(on_drained_, nullptr)();
  }

  const WorkerContext& context_;
  std::unique_ptr<event::Engine> engine_;
  AccessLog access_log_;
  ConnectionTable table_;
  Listeners listeners_;                                     // by address
  std::map<Listener*, std::unique_ptr<Listener>> retired_;  // draining or closing
  bool stopping_ = false;
  std::function<void()> on_adopted_;
  std::function<void()> on_drained_;
};

Worker::Worker(uint32_t index, WorkerContext context) : index_(index), context_(context) {}

Worker::~Worker() { stop(); }

absl::Status Worker::start(event::EngineKind kind, const event::EngineOptions& options) {
  std::promise<absl::Status> started;
  std::future<absl::Status> outcome = started.get_future();
  thread_ = std::thread([this, kind, options, &started] {
    run(kind, options, [&started](absl::Status status) { started.set_value(std::move(status)); });
  });
  absl::Status status = outcome.get();
  if (!status.ok()) thread_.join();
  return status;
}

void Worker::run(event::EngineKind kind, const event::EngineOptions& options,
                 const std::function<void(absl::Status)>& on_started) {
  pthread_setname_np(pthread_self(), fmt::format("worker{}", index_).c_str());
  absl::StatusOr<std::unique_ptr<event::Engine>> engine = event::make_engine(kind, options);
  if (!engine.ok()) return on_started(engine.status());
  loop_ = std::make_unique<Loop>(index_, context_, *std::move(engine));
  on_started(absl::OkStatus());
  loop_->run();
}

void Worker::post(std::function<void(Loop&)> task) {
  loop_->engine().post([loop = loop_.get(), task = std::move(task)] { task(*loop); });
}

void Worker::adopt(std::shared_ptr<const Snapshot> snapshot, std::vector<BoundListener> listeners,
                   std::function<void()> on_done) {
  // Large snapshots take milliseconds to build a router for and to destroy: neither is for a
  // worker's thread.
  event::Engine* const control = &context_.control;
  const std::shared_ptr<Router> router(
      new Router(std::move(snapshot), index_, stats_),
      [control](Router* unused) { control->post([owned = std::unique_ptr<Router>(unused)] {}); });
  stats_.forget_unused();
  // std::function wants to be copyable, sockets are not.
  auto bound = std::make_shared<std::vector<BoundListener>>(std::move(listeners));
  post([router, bound, on_done = std::move(on_done)](Loop& loop) {
    loop.adopt(router, std::move(*bound), on_done);
  });
}

void Worker::drain(std::function<void()> on_drained) {
  post([on_drained = std::move(on_drained)](Loop& loop) { loop.drain(on_drained); });
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  post([](Loop& loop) { loop.stop(); });
  thread_.join();
  // Only now, so that a post() that comes late still finds a mailbox.
  loop_.reset();
}

}  // namespace lb::proxy
