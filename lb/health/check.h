// One check: where, what is asked, when, what has come of it, and whose health it decides. The
// checker (health_checker.h) owns it and decides all else. Control thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lb/balance/endpoint.h"
#include "lb/config/service.h"
#include "lb/event/engine.h"
#include "lb/health/check_schedule.h"
#include "lb/health/check_source.h"
#include "lb/health/probe.h"
#include "lb/health/verdict.h"
#include "lb/net/address.h"
#include "lb/util/intrusive_list.h"

namespace lb::health {

// What makes two checks the same one.
struct CheckTarget {
  net::Address address;  // with the check's own port, if it has one
  config::ActiveCheck check;
  config::ProxyVersion proxy = config::ProxyVersion::kNone;
  CheckSource source = {};

  friend bool operator==(const CheckTarget&, const CheckTarget&) = default;
};

// How many probes have ended in each ProbeResult.
using CheckResults = std::array<uint64_t, kProbeResults>;

struct CheckQueueTag {};

class Check final : public util::ListNode<CheckQueueTag>, private Probe::Owner {
 public:
  using Queue = util::IntrusiveList<Check, CheckQueueTag>;

  // An endpoint whose health it decides.
  struct Subject {
    std::shared_ptr<balance::Endpoint> endpoint;
    Check* check = nullptr;    // null: it has none
    bool is_followed = false;  // in the configuration
    bool is_from_start = false;
    bool takes_part = true;     // may be chosen, once it is up
    bool awaits_first = false;  // unhealthy, until there is a first result
    CheckResults results = {};
  };

  class Owner {
   public:
    virtual void on_due(Check& check) = 0;
    // May destroy the check.
    virtual void on_result(Check& check, ProbeResult result, const std::string& why) = 0;

   protected:
    ~Owner() = default;
  };

  // Engine and owner must outlive it.
  Check(event::Engine& engine, Owner& owner, CheckTarget target, bool is_healthy,
        CheckPhase its_phase)
      : phase(its_phase),
        verdict(target.check.unhealthy_threshold, target.check.healthy_threshold, is_healthy),
        engine_(engine),
        owner_(owner),
        target_(std::move(target)),
        probe_(engine, *this) {
    timer_.bind<&Check::on_timer>(this);
  }
  // Its probe must be idle.
  ~Check() {
    if (is_linked()) unlink();
    engine_.timers().stop(timer_);
  }

  const CheckTarget& target() const { return target_; }
  util::MonoTimeMs started_ms() const { return started_ms_; }

  // Tells the owner when that time has come.
  void schedule(util::MonoTimeMs due_ms) { engine_.timers().start(timer_, due_ms); }
  void run(std::unique_ptr<Dialogue> dialogue) {
    started_ms_ = engine_.now_ms();
    probe_.start(target_.address, target_.source, target_.proxy, target_.check.timeout_ms,
                 std::move(dialogue));
  }
  bool is_running() const { return !probe_.is_idle(); }
  // No more of it; a probe that runs ends soon, with ProbeResult::kNone.
  void cancel() {
    if (is_linked()) unlink();
    engine_.timers().stop(timer_);
    probe_.cancel();
  }

  const CheckPhase phase;
  Verdict verdict;
  std::vector<Subject*> subjects;
  std::string last_why;  // of the last result

 private:
  void on_timer() { owner_.on_due(*this); }
  void on_probe_done(ProbeResult result, const std::string& why) override {
    owner_.on_result(*this, result, why);
  }

  event::Engine& engine_;
  Owner& owner_;
  const CheckTarget target_;
  Probe probe_;
  event::Timer timer_;
  util::MonoTimeMs started_ms_ = 0;
};

}  // namespace lb::health
