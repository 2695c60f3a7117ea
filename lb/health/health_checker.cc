#include "lb/health/health_checker.h"

#include <algorithm>
#include <utility>

#include "lb/util/assert.h"

namespace lb::health {
namespace {

// Where an endpoint is asked how it is.
net::Address check_address(const net::Address& endpoint, uint16_t port) {
  if (port == 0 || !endpoint.is_ip()) return endpoint;
  const absl::StatusOr<net::Address> other = net::Address::parse(endpoint.host_string(), port);
  return other.ok() ? *other : endpoint;
}

}  // namespace

HealthChecker::HealthChecker(event::Engine& engine, HealthBoard& board, uint32_t max_probes,
                             uint64_t seed)
    : engine_(engine), board_(board), max_probes_(max_probes), schedule_(seed) {
  first_timer_.bind<&HealthChecker::end_first>(this);
}

HealthChecker::~HealthChecker() {
  on_known_ = nullptr;
  stop();
  while (!ending_.empty()) engine_.run_once(util::kNever);
}

void HealthChecker::follow(const std::vector<Followed>& endpoints) {
  end_first();
  for (auto& [address, checks] : checks_) {
    for (const std::unique_ptr<Check>& check : checks) check->subjects.clear();
  }
  for (auto& [endpoint, subject] : subjects_) subject->is_followed = false;
  for (const Followed& followed : endpoints) {
    std::unique_ptr<Subject>& subject = subjects_[followed.endpoint.get()];
    const bool is_new = subject == nullptr;
    if (is_new) {
      subject = std::make_unique<Subject>();
      subject->endpoint = followed.endpoint;
      subject->is_from_start = is_start_;
    }
    if (std::exchange(subject->is_followed, true)) continue;
    subject->takes_part = followed.takes_part;
    subscribe(followed, *subject, is_new);
  }
  is_start_ = false;
  absl::erase_if(subjects_, [](const auto& entry) { return !entry.second->is_followed; });
  end_unused();
  schedule_new();
}

void HealthChecker::subscribe(const Followed& followed, Subject& subject, bool is_new) {
  const EndpointPtr& endpoint = followed.endpoint;
  if (!followed.check) {
    subject.check = nullptr;
    subject.awaits_first = false;
    // Nothing has succeeded that would end an ejection.
    if (endpoint->is_healthy()) return;
    return board_.set_healthy(endpoint, true, engine_.now_ms(), "not checked any more");
  }
  const bool is_healthy =
      is_new ? followed.check->initial == config::InitialHealth::kHealthy : endpoint->is_healthy();
  Check& check = find_or_make({check_address(endpoint->address(), followed.check->port),
                               *followed.check, followed.proxy, followed.source},
                              is_healthy);
  // Others that are new, and share the check, may have come first.
  if (!is_new && is_healthy) check.verdict.assume_healthy();
  check.subjects.push_back(&subject);
  if (std::exchange(subject.check, &check) == &check) return;
  if (check.verdict.is_known()) return adopt_verdict(subject);
  if (!is_new) return;
  subject.awaits_first = !is_healthy;
  board_.assume_healthy(endpoint, is_healthy);
}

Check& HealthChecker::find_or_make(CheckTarget target, bool is_healthy) {
  std::vector<std::unique_ptr<Check>>& checks = checks_[target.address.to_string()];
  for (const std::unique_ptr<Check>& check : checks) {
    if (check->target() == target) return *check;
  }
  checks.push_back(std::make_unique<Check>(engine_, static_cast<Check::Owner&>(*this),
                                           std::move(target), is_healthy, schedule_.new_phase()));
  new_.push_back(checks.back().get());
  return *checks.back();
}

void HealthChecker::adopt_verdict(Subject& subject) {
  subject.awaits_first = false;
  const bool is_healthy = subject.check->verdict.is_healthy();
  if (subject.endpoint->is_healthy() == is_healthy) return;
  board_.set_healthy(subject.endpoint, is_healthy, engine_.now_ms(),
                     is_healthy ? "its check succeeds" : subject.check->last_why);
}

void HealthChecker::schedule_new() {
  const std::vector<Check*> checks = std::exchange(new_, {});
  for (size_t i = 0; i < checks.size(); ++i) {
    const config::ActiveCheck& check = checks[i]->target().check;
    // All want to have begun before those who wait for first results give up.
    const int64_t window_ms = std::min(check.interval_ms, check.timeout_ms) / 2;
    checks[i]->schedule(CheckSchedule::first_ms(engine_.now_ms(), i, checks.size(), window_ms));
  }
}

void HealthChecker::end_unused() {
  for (auto& [address, checks] : checks_) {
    const auto unused = std::stable_partition(
        checks.begin(), checks.end(), [](const auto& check) { return !check->subjects.empty(); });
    for (auto check = unused; check != checks.end(); ++check) end(std::move(*check));
    checks.erase(unused, checks.end());
  }
  absl::erase_if(checks_, [](const auto& entry) { return entry.second.empty(); });
}

void HealthChecker::end(std::unique_ptr<Check> check) {
  check->cancel();
  if (check->is_running()) ending_.push_back(std::move(check));
}

void HealthChecker::stop() {
  for (auto& [endpoint, subject] : subjects_) subject->check = nullptr;
  for (auto& [address, checks] : checks_) {
    for (std::unique_ptr<Check>& check : checks) end(std::move(check));
  }
  checks_.clear();
  end_first();
}

void HealthChecker::on_due(Check& check) {
  if (probes_ < max_probes_) {
    run(check);
  } else {
    waiting_.push_back(check);
  }
}

void HealthChecker::run(Check& check) {
  ++probes_;
  check.run(dialogues_.make(check.target().check, check.target().address));
}

void HealthChecker::run_waiting() {
  while (probes_ < max_probes_ && !waiting_.empty()) run(*waiting_.pop_front());
}

void HealthChecker::on_result(Check& check, ProbeResult result, const std::string& why) {
  LB_ASSERT(probes_ > 0);
  --probes_;
  const auto is_it = [&](const std::unique_ptr<Check>& other) { return other.get() == &check; };
  if (std::erase_if(ending_, is_it) > 0) return run_waiting();
  for (Subject* subject : check.subjects) ++subject->results[static_cast<size_t>(result)];
  if (result != ProbeResult::kNone) judge(check, result == ProbeResult::kSuccess, why);
  const int64_t interval_ms = check.target().check.interval_ms;
  check.schedule(check.verdict.is_changing()
                     ? schedule_.next_fast_ms(interval_ms, check.started_ms())
                     : schedule_.next_ms(check.phase, interval_ms, check.started_ms()));
  run_waiting();
}

void HealthChecker::judge(Check& check, bool is_success, const std::string& why) {
  check.verdict.add(is_success);
  check.last_why = why;
  for (Subject* subject : check.subjects) tell(*subject, is_success, why);
}

void HealthChecker::tell(Subject& subject, bool is_success, const std::string& why) {
  const EndpointPtr& endpoint = subject.endpoint;
  const bool is_first = std::exchange(subject.awaits_first, false);
  const bool is_healthy = subject.check->verdict.is_healthy();
  if (is_success && is_healthy) {
    if (is_first && subject.is_from_start) {
      // Nothing has come up: it was there before the process.
      board_.assume_healthy(endpoint, true);
    } else {
      board_.set_healthy(endpoint, true, engine_.now_ms(), "its check succeeds");
    }
  } else if (!is_success && is_first) {
    board_.confirm_unhealthy(endpoint, why);
  } else if (!is_success && !is_healthy) {
    board_.set_healthy(endpoint, false, engine_.now_ms(), why);
  }
  if (!is_first || !first_ || !subject.takes_part) return;
  first_->add(&endpoint->service(), endpoint->is_healthy());
  if (first_->are_enough()) engine_.timers().start(first_timer_, engine_.now_ms());
}

void HealthChecker::await_first_results(FirstResults::Wanted wanted,
                                        std::function<void()> on_known) {
  LB_ASSERT(!first_);
  FirstResults first(wanted);
  int64_t longest_ms = 0;
  for (const auto& [endpoint, subject] : subjects_) {
    if (!subject->awaits_first || subject->check == nullptr || !subject->takes_part) continue;
    first.expect(&endpoint->service());
    longest_ms = std::max(longest_ms, subject->check->target().check.timeout_ms);
  }
  for (const auto& [endpoint, subject] : subjects_) {
    const bool serves = subject->takes_part && !subject->awaits_first && endpoint->is_up();
    if (serves) first.serves(&endpoint->service());
  }
  if (first.are_enough()) return on_known();
  first_.emplace(std::move(first));
  on_known_ = std::move(on_known);
  engine_.timers().start(first_timer_, engine_.now_ms() + std::min(longest_ms, kMaxFirstMs));
}

void HealthChecker::end_first() {
  engine_.timers().stop(first_timer_);
  first_.reset();
  if (const auto on_known = std::exchange(on_known_, nullptr)) on_known();
}

std::vector<HealthChecker::Figures> HealthChecker::figures() const {
  std::vector<Figures> figures;
  for (const auto& [endpoint, subject] : subjects_) {
    const bool was_checked = std::any_of(subject->results.begin(), subject->results.end(),
                                         [](uint64_t count) { return count > 0; });
    if (subject->check != nullptr || was_checked) figures.push_back({endpoint, subject->results});
  }
  return figures;
}

}  // namespace lb::health
