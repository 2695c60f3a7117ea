// Checks endpoints from time to time and tells the health board what comes of it. Endpoints that
// would be asked the same thing at the same place, from the same source, share one check. Control
// thread; it never touches a worker.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lb/balance/endpoint.h"
#include "lb/config/service.h"
#include "lb/event/engine.h"
#include "lb/health/check.h"
#include "lb/health/check_schedule.h"
#include "lb/health/check_source.h"
#include "lb/health/dialogues.h"
#include "lb/health/first_results.h"
#include "lb/health/health_board.h"

namespace lb::health {

class HealthChecker final : private Check::Owner {
 public:
  using EndpointPtr = std::shared_ptr<balance::Endpoint>;

  // An endpoint of the configuration.
  struct Followed {
    EndpointPtr endpoint;
    std::optional<config::ActiveCheck> check;  // none: it is taken for healthy
    config::ProxyVersion proxy = config::ProxyVersion::kNone;
    CheckSource source = {};
    bool takes_part = true;  // false: nobody waits for it, and it serves nobody
  };

  struct Figures {
    const balance::Endpoint* endpoint = nullptr;
    CheckResults results = {};
  };

  // At most `max_probes` connections at a time; what is due beyond waits for its turn. Engine and
  // board must outlive it.
  HealthChecker(event::Engine& engine, HealthBoard& board, uint32_t max_probes, uint64_t seed);
  HealthChecker(const HealthChecker&) = delete;
  HealthChecker& operator=(const HealthChecker&) = delete;
  // Runs the loop until no probe is under way.
  ~HealthChecker();

  // Follows these from now on, and those of before no more. Checks that stay as they are keep what
  // they know and when they are due. An endpoint that is new is what its check's `initial` says;
  // one that was there before keeps its health until the check has said something else, or for good
  // when it has no check any more. An endpoint may be there more than once: the first counts.
  void follow(const std::vector<Followed>& endpoints);
  // Follows none any more, and leaves all as they are.
  void stop();

  // Calls back when enough is known of the endpoints that wait for their first result and take
  // part: at once when none does, else from the loop, after the longest of their timeouts at the
  // latest. One call at a time; stop() calls back as well.
  void await_first_results(FirstResults::Wanted wanted, std::function<void()> on_known);

  // Of the endpoints that are checked.
  std::vector<Figures> figures() const;
  // Connections that are under way.
  uint32_t probes() const { return probes_; }

 private:
  // A start, or a reload, waits no longer than this, whatever the timeouts are.
  static constexpr int64_t kMaxFirstMs = 10'000;

  using Subject = Check::Subject;

  void subscribe(const Followed& followed, Subject& subject, bool is_new);
  Check& find_or_make(CheckTarget target, bool is_healthy);
  void adopt_verdict(Subject& subject);
  void schedule_new();
  void end_unused();
  void end(std::unique_ptr<Check> check);

  // Check::Owner
  void on_due(Check& check) override;
  void on_result(Check& check, ProbeResult result, const std::string& why) override;

  void run(Check& check);
  void run_waiting();
  void judge(Check& check, bool is_success, const std::string& why);
  void tell(Subject& subject, bool is_success, const std::string& why);
  void end_first();

  event::Engine& engine_;
  HealthBoard& board_;
  const uint32_t max_probes_;
  CheckSchedule schedule_;
  Dialogues dialogues_;
  absl::flat_hash_map<const balance::Endpoint*, std::unique_ptr<Subject>> subjects_;
  // By address; more than one where it is asked different things.
  absl::flat_hash_map<std::string, std::vector<std::unique_ptr<Check>>> checks_;
  std::vector<std::unique_ptr<Check>> ending_;  // until their probes are over
  std::vector<Check*> new_;                     // not scheduled yet
  Check::Queue waiting_;                        // due, without a place among the probes
  uint32_t probes_ = 0;
  bool is_start_ = true;  // in the first follow()
  std::optional<FirstResults> first_;
  std::function<void()> on_known_;
  event::Timer first_timer_;
};

}  // namespace lb::health
