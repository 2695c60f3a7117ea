#include "lb/proxy/worker.h"

#include <pthread.h>

#include <cerrno>
#include <future>
#include <map>
#include <system_error>
#include <utility>

#include "fmt/format.h"
#include "lb/proxy/access_log.h"
#include "lb/proxy/connection_table.h"
#include "lb/proxy/hand_over.h"
#include "lb/proxy/listener.h"
#include "lb/proxy/router.h"
#include "lb/util/cache_line.h"
#include "lb/util/clock.h"
#include "lb/util/random.h"

namespace lb::proxy {

// What lives in the worker's thread.
class Worker::Loop {
 public:
  Loop(uint32_t index, const WorkerContext& context, std::unique_ptr<event::Engine> engine)
      : context_(context),
        engine_(std::move(engine)),
        access_log_(context.access_sink, context.access_format),
        room_(context.budget),
        hand_over_(context.loads, index, *engine_, first_id(index)),
        table_(*engine_, context.budget, hand_over_, access_log_, context.splice, first_id(index)) {
    table_.set_on_empty([this] { tell_when_drained(); });
    table_.set_on_no_source([this](const std::string& service, const std::string& endpoint,
                                   std::string_view why) {
      if (!source_limit_.allows(engine_->now_ms())) return;
      context_.log.warn("no source to connect from",
                        {{"service", service},
                         {"endpoint", endpoint},
                         {"why", std::string(why)},
                         {"more_of_these", fmt::format("{}", source_limit_.take_suppressed())}});
    });
    table_.set_on_endpoint_failing(context.on_endpoint_failing);
    hand_over_.open([this](HandOver::Parcel parcel) {
      table_.serve(parcel.client.release(), parcel.router, parcel.listener, parcel.service);
      // It may have come when it had not been here, and nobody else is to come.
      tell_when_drained();
    });
  }

  event::Engine& engine() { return *engine_; }

  void run() {
    while (!stopping_ || !is_idle()) {
      engine_->run_once(util::kNever);
      access_log_.flush();
      if (const int error = engine_->pipes().take_refusal(); error != 0) warn_of_pipes(error);
    }
  }

  void adopt(const std::shared_ptr<Router>& router, std::vector<BoundListener> wanted,
             std::function<void()> on_done) {
    LB_ASSERT(is_adopted());
    on_adopted_ = std::move(on_done);
    wanted_ = std::move(wanted);
    next_wanted_ = 0;
    if (!wanted_.empty()) router_ = router;
    leaving_.swap(listeners_);
    go_on();
  }

  void drain(std::function<void()> on_drained) {
    on_drained_ = std::move(on_drained);
    hand_over_.close();
    while (next_wanted_ < wanted_.size()) serve_next();
    leaving_.merge(listeners_);
    go_on();
  }

  EndpointCloser& closer() { return table_.closer(); }

  void stop() {
    stopping_ = true;
    hand_over_.close();
    on_drained_ = nullptr;
    on_adopted_ = nullptr;
    wanted_.clear();
    router_.reset();
    leaving_.merge(listeners_);
    table_.close_all(CloseReason::kDrained);
    go_on();
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

  // Opening and draining a listener takes the kernel some 10 us: with thousands of them a turn does
  // a part, and the connections have theirs in between.
  static constexpr int kListenersPerTurn = 32;

  bool is_adopted() const {
    return next_wanted_ >= wanted_.size() && leaving_.empty() && retired_.empty();
  }
  // With a closed door it stays so.
  bool is_idle() const {
    return listeners_.empty() && is_adopted() && table_.is_empty() && !hand_over_.is_expecting();
  }

  bool has_work() const {
    return next_wanted_ < wanted_.size() || !leaving_.empty() || !drained_.empty();
  }

  void warn_of_pipes(int error) {
    context_.log.warn("no pipe to be had, streams are copied meanwhile",
                      {{"why", error == ENOSPC ? "pipe-user-pages-soft is used up"
                                               : std::generic_category().message(error)},
                       {"open", fmt::format("{}", engine_->pipes().open())}});
  }

  void go_on() {
    for (int i = 0; i < kListenersPerTurn && has_work(); ++i) {
      if (next_wanted_ < wanted_.size()) {
        serve_next();
      } else if (!leaving_.empty()) {
        retire(std::move(leaving_.extract(leaving_.begin()).mapped()));
      } else {
        close(*drained_.back());
        drained_.pop_back();
      }
    }
    if (has_work()) go_on_later();
    tell_when_adopted();
    tell_when_drained();
  }

  void go_on_later() {
    if (std::exchange(is_going_on_, true)) return;
    engine_->post([this] {
      is_going_on_ = false;
      go_on();
    });
  }

  void serve_next() {
    BoundListener& entry = wanted_[next_wanted_++];
    auto node = leaving_.extract(entry.address);
    LB_ASSERT(node.empty() == entry.fd.is_open());
    Listener& listener = entry.fd.is_open()
                             ? *(listeners_[entry.address] = std::make_unique<Listener>(
                                     *engine_, table_, room_, context_, std::move(entry.fd)))
                             : *listeners_.insert(std::move(node)).position->second;
    listener.serve(router_, entry.listener);
    if (next_wanted_ < wanted_.size()) return;
    router_.reset();
    wanted_.clear();
  }

  void retire(std::unique_ptr<Listener> listener) {
    Listener* const retired = listener.get();
    retired_.emplace(retired, std::move(listener));
    if (stopping_) return close(*retired);
    retired->drain([this, retired] {
      drained_.push_back(retired);
      go_on_later();
    });
  }

  void close(Listener& retired) {
    retired.close([this, &retired] {
      retired_.erase(&retired);
      tell_when_adopted();
      tell_when_drained();
    });
  }

  void tell_when_adopted() {
    if (on_adopted_ && is_adopted()) std::exchange(on_adopted_, nullptr)();
  }

  void tell_when_drained() {
    // A listener that drains may bring in more after stop() has closed what was there.
    if (stopping_) table_.close_all(CloseReason::kDrained);
    if (on_drained_ && is_idle()) std::exchange(on_drained_, nullptr)();
  }

  const WorkerContext& context_;
  std::unique_ptr<event::Engine> engine_;
  AccessLog access_log_;
  AcceptRoom room_;
  util::LogLimit source_limit_;
  HandOver hand_over_;
  ConnectionTable table_;
  Listeners listeners_;  // by address
  // An adoption under way: what is to be served, from `next_wanted_` on still to be done, by whom,
  // and what was open before and has not been asked for yet.
  std::vector<BoundListener> wanted_;
  size_t next_wanted_ = 0;
  std::shared_ptr<Router> router_;
  Listeners leaving_;
  std::vector<Listener*> drained_;                          // retired ones, to be closed
  std::map<Listener*, std::unique_ptr<Listener>> retired_;  // draining or closing
  bool is_going_on_ = false;                                // in a later turn
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

int64_t Worker::cpu_ns() {
  clockid_t clock = {};
  if (!thread_.joinable() || pthread_getcpuclockid(thread_.native_handle(), &clock) != 0) return 0;
  return util::clock_ns(clock);
}

void Worker::post(std::function<void(Loop&)> task) {
  loop_->engine().post([loop = loop_.get(), task = std::move(task)] { task(*loop); });
}

std::shared_ptr<Router> Worker::make_router(std::shared_ptr<const Snapshot> snapshot,
                                            uint64_t seed) {
  // Large snapshots take milliseconds to build a router for and to destroy: neither is for a
  // worker's thread. Every connection of this worker writes the reference count, and no other's.
  event::Engine* const control = &context_.control;
  const std::shared_ptr<Router> before = last_router_.lock();
  std::shared_ptr<Router> router(
      new Router(std::move(snapshot), index_, stats_, seed, before.get()),
      [control](Router* unused) { control->post([owned = std::unique_ptr<Router>(unused)] {}); },
      util::CacheLineAllocator<Router>());
  last_router_ = router;
  stats_.forget_unused();
  return router;
}

void Worker::adopt(std::shared_ptr<Router> router, std::vector<BoundListener> listeners,
                   std::function<void()> on_done) {
  // std::function wants to be copyable, sockets are not.
  auto bound = std::make_shared<std::vector<BoundListener>>(std::move(listeners));
  post([router = std::move(router), bound, on_done = std::move(on_done)](Loop& loop) {
    loop.adopt(router, std::move(*bound), on_done);
  });
}

void Worker::drain(std::function<void()> on_drained) {
  post([on_drained = std::move(on_drained)](Loop& loop) { loop.drain(on_drained); });
}

void Worker::close_connections_to(std::shared_ptr<const balance::Endpoint> endpoint,
                                  CloseReason reason, int64_t spread_ms) {
  post([endpoint = std::move(endpoint), reason, spread_ms](Loop& loop) {
    loop.closer().begin(endpoint, reason, spread_ms);
  });
}

void Worker::keep_connections_to(std::shared_ptr<const balance::Endpoint> endpoint) {
  post([endpoint = std::move(endpoint)](Loop& loop) { loop.closer().call_off(*endpoint); });
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  post([](Loop& loop) { loop.stop(); });
  thread_.join();
  // Only now, so that a post() that comes late still finds a mailbox.
  context_.loads.wait_posted(index_);
  loop_.reset();
}

}  // namespace lb::proxy
