#include "lb/control/endpoint_care.h"

#include <string>
#include <utility>
#include <vector>

#include "lb/control/deployment.h"

namespace lb::control {
namespace {

using Followed = health::HealthChecker::Followed;

std::vector<Followed> followed_in(const proxy::Snapshot& snapshot) {
  std::vector<Followed> followed;
  for (const proxy::ServiceSnapshot& service : snapshot.services) {
    for (const balance::WeightedEndpoint& entry : service.endpoints) {
      followed.push_back(
          {entry.endpoint, service.policy.active_check, service.policy.proxy_header.version});
    }
  }
  return followed;
}

}  // namespace

EndpointCare::EndpointCare(event::Engine& engine, util::Log& log, uint32_t max_probes)
    : log_(log),
      checker_(engine, board_, max_probes, static_cast<uint64_t>(util::clock_ns(CLOCK_REALTIME))) {
  board_.follow([this](const health::HealthChange& change) { log_change(change); });
}

void EndpointCare::prepare(const Deployed& next, std::function<void()> on_known) {
  using Wanted = health::FirstResults::Wanted;
  checker_.follow(followed_in(*next.snapshot));
  const Wanted wanted = std::exchange(is_start_, false) ? Wanted::kAll : Wanted::kOnePerService;
  checker_.await_first_results(wanted, std::move(on_known));
}

void EndpointCare::follow(const Deployed& deployed) { static_cast<void>(deployed); }

void EndpointCare::stop() { checker_.stop(); }

void EndpointCare::log_change(const health::HealthChange& change) {
  if (change.was_up == change.is_up && !change.is_first) return;
  const util::Log::Fields fields = {{"service", change.endpoint->service().name()},
                                    {"endpoint", change.endpoint->label()},
                                    {"why", std::string(change.why)}};
  if (change.is_up) {
    log_.info("endpoint up", fields);
  } else {
    log_.warn("endpoint down", fields);
  }
}

}  // namespace lb::control
