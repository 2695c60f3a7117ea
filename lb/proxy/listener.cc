#include "lb/proxy/listener.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "fmt/format.h"
#include "lb/net/socket.h"

namespace lb::proxy {

Listener::Listener(event::Engine& engine, ConnectionTable& table, AcceptRoom& room,
                   const WorkerContext& context, net::UniqueFd fd)
    : engine_(engine), table_(table), room_(room), context_(context), fd_(std::move(fd)) {
  accept_.bind<&Listener::on_accept>(this);
  timer_.bind<&Listener::on_timer>(this);
}

Listener::~Listener() { LB_ASSERT(!accept_.in_flight() && !timer_.is_running()); }

void Listener::serve(std::shared_ptr<Router> router, size_t index) {
  const bool is_first = router_ == nullptr;
  router_ = std::move(router);
  index_ = index;
  if (is_first) arm();
}

void Listener::arm() {
  const int64_t room = room_.look(engine_.now_ms());
  if (room <= 0) return pause("as many connections as the open-file limit allows");
  // Many at a time can take in a whole backlog at once, so only while there is room for one.
  engine_.accept(accept_, fd_.get(), room > 2 * kBacklog);
}

void Listener::on_accept(event::Completion completion) {
  if (completion.result >= 0) {
    has_accepted_ = true;
    table_.accept(completion.result, router_, index_);
  }
  if (completion.more) {
    if (room_.look(engine_.now_ms()) < kBacklog) engine_.cancel(accept_);
    return;
  }
  if (state_ == State::kClosing) return finish();
  if (completion.result >= 0 || completion.result == -ECANCELED) return arm();
  pause(std::strerror(-completion.result));
}

void Listener::pause(const char* why) {
  if (context_.pause_limit.allows(engine_.now_ms())) {
    context_.log.warn(
        "accept paused",
        {{"address", net::local_address(fd_.get()).to_string()},
         {"why", why},
         {"more_of_these", fmt::format("{}", context_.pause_limit.take_suppressed())}});
  }
  if (state_ == State::kAccepting) engine_.timers().start(timer_, engine_.now_ms() + kPauseMs);
}

void Listener::drain(std::function<void()> on_drained) {
  on_drained_ = std::move(on_drained);
  const bool was_paused = timer_.is_running();
  has_accepted_ = false;
  state_ = State::kDraining;
  net::stop_new_handshakes(fd_.get());
  engine_.timers().start(timer_, engine_.now_ms() + kDrainMs);
  if (was_paused) engine_.accept(accept_, fd_.get(), false);
}

void Listener::close(std::function<void()> on_closed) {
  on_closed_ = std::move(on_closed);
  state_ = State::kClosing;
  engine_.cancel(accept_);
  // The timer leads to finish() when there is nothing to cancel.
  engine_.timers().start(timer_, engine_.now_ms());
}

void Listener::on_timer() {
  switch (state_) {
    case State::kAccepting:
      return arm();
    case State::kDraining:
      if (std::exchange(has_accepted_, false)) {
        engine_.timers().start(timer_, engine_.now_ms() + kDrainMs);
        return;
      }
      return std::exchange(on_drained_, nullptr)();
    case State::kClosing:
      if (!accept_.in_flight()) finish();
      return;
  }
}

void Listener::finish() {
  engine_.timers().stop(timer_);
  engine_.close(fd_.release(), event::CloseMode::kFin);
  // Last, since it may destroy this listener.
  std::exchange(on_closed_, nullptr)();
}

}  // namespace lb::proxy
