#include "lb/control/dns/failure_watch.h"

#include <utility>

namespace lb::control {
namespace {

constexpr int64_t kPeriodMs = 1'000;

}  // namespace

FailureWatch::FailureWatch(event::Engine& engine, Hooks hooks)
    : engine_(engine), hooks_(std::move(hooks)) {
  timer_.bind<&FailureWatch::look>(this);
}

void FailureWatch::start() {
  if (timer_.is_running()) return;
  seen_ = hooks_.count();
  engine_.timers().start(timer_, engine_.now_ms() + kPeriodMs);
}

void FailureWatch::stop() { engine_.timers().stop(timer_); }

void FailureWatch::look() {
  Totals now = hooks_.count();
  for (const auto& [service, total] : now) {
    const auto before = seen_.find(service);
    if (total > (before == seen_.end() ? 0 : before->second)) hooks_.on_failure(service);
  }
  seen_ = std::move(now);
  engine_.timers().start(timer_, engine_.now_ms() + kPeriodMs);
}

}  // namespace lb::control
