#include "lb/proxy/worker.h"

#include <pthread.h>

#include <future>
#include <optional>
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
      : index_(index),
        context_(context),
        engine_(std::move(engine)),
        access_log_(context.access_sink, context.access_format) {}

  event::Engine& engine() { return *engine_; }

  void run() {
    while (!stopping_ || !is_idle()) {
      engine_->run_once(util::kNever);
      access_log_.flush();
    }
  }

  void serve(std::shared_ptr<const Snapshot> snapshot, std::vector<BoundListener> bound) {
    router_.emplace(std::move(snapshot), index_);
    table_.emplace(*engine_, *router_, context_.budget, access_log_, first_id());
    table_->set_on_empty([this] { tell_when_drained(); });
    for (BoundListener& entry : bound) {
      listeners_.push_back(std::make_unique<Listener>(*engine_, *table_, context_,
                                                      router_->snapshot().listeners[entry.listener],
                                                      std::move(entry.fd)));
      listeners_.back()->start();
    }
    open_listeners_ = listeners_.size();
  }

  void drain(std::function<void()> on_drained) {
    on_drained_ = std::move(on_drained);
    is_draining_ = true;
    for (const auto& listener : listeners_) listener->drain([this] { on_listener_closed(); });
    tell_when_drained();
  }

  void stop() {
    stopping_ = true;
    on_drained_ = nullptr;
    if (!is_draining_) {
      for (const auto& listener : listeners_) listener->close([this] { on_listener_closed(); });
    }
    if (table_) table_->close_all(CloseReason::kDrained);
  }

 private:
  // The worker's number in the upper bits, so that ids of one process never meet; a random start in
  // the lower ones, so that those of two processes hardly ever do.
  uint64_t first_id() const {
    constexpr int kCounterBits = 52;
    util::Random random(static_cast<uint64_t>(util::wall_now_us()));
    return (static_cast<uint64_t>(index_) << kCounterBits) | (random.next() >> (65 - kCounterBits));
  }

  bool is_idle() const { return open_listeners_ == 0 && (!table_ || table_->is_empty()); }

  void on_listener_closed() {
    --open_listeners_;
    tell_when_drained();
  }

  void tell_when_drained() {
    // A listener that drains may bring in more after stop() has closed what was there.
    if (stopping_ && table_) table_->close_all(CloseReason::kDrained);
    if (on_drained_ && is_draining_ && is_idle()) std::exchange(on_drained_, nullptr)();
  }

  const uint32_t index_;
  const WorkerContext& context_;
  std::unique_ptr<event::Engine> engine_;
  AccessLog access_log_;
  std::optional<Router> router_;
  std::optional<ConnectionTable> table_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  size_t open_listeners_ = 0;
  bool is_draining_ = false;
  bool stopping_ = false;
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

void Worker::serve(std::shared_ptr<const Snapshot> snapshot, std::vector<BoundListener> listeners) {
  // std::function wants to be copyable, sockets are not.
  auto bound = std::make_shared<std::vector<BoundListener>>(std::move(listeners));
  post([snapshot = std::move(snapshot), bound](Loop& loop) {
    loop.serve(snapshot, std::move(*bound));
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
