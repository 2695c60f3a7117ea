#include "lb/control/passive_checks.h"

#include <utility>
#include <vector>

#include "fmt/format.h"

namespace lb::control {

PassiveChecks::PassiveChecks(event::Engine& engine, util::Log& log, health::HealthBoard& board)
    : engine_(engine), log_(log), ejections_(board) {
  timer_.bind<&PassiveChecks::on_timer>(this);
}

PassiveChecks::~PassiveChecks() { engine_.timers().stop(timer_); }

void PassiveChecks::follow(const proxy::Snapshot& snapshot) {
  std::vector<health::Ejections::Group> groups;
  for (const proxy::ServiceSnapshot& service : snapshot.services) {
    groups.push_back({service.policy.passive_check, service.endpoints});
  }
  ejections_.follow(std::move(groups), engine_.now_ms());
  wake_in_time();
}

void PassiveChecks::note_failing(const health::HealthBoard::EndpointPtr& endpoint) {
  const auto outcome = ejections_.note_failing(endpoint, engine_.now_ms());
  if (outcome == health::Ejections::Outcome::kEjected) return wake_in_time();
  const bool is_spared = outcome == health::Ejections::Outcome::kTooMany;
  if (!is_spared || !spared_limit_.allows(engine_.now_ms())) return;
  log_.warn("connects fail, but an ejection would leave too few others",
            {{"service", endpoint->service().name()},
             {"endpoint", endpoint->label()},
             {"suppressed", fmt::format("{}", spared_limit_.take_suppressed())}});
}

void PassiveChecks::on_timer() {
  ejections_.readmit_due(engine_.now_ms());
  wake_in_time();
}

void PassiveChecks::wake_in_time() {
  const util::MonoTimeMs next_ms = ejections_.next_ms();
  if (next_ms == util::kNever) return engine_.timers().stop(timer_);
  engine_.timers().start(timer_, next_ms);
}

}  // namespace lb::control
