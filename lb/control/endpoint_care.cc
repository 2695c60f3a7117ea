#include "lb/control/endpoint_care.h"

#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

#include "lb/control/listed_endpoints.h"
#include "lb/health/check_source.h"

namespace lb::control {
namespace {

using Followed = health::HealthChecker::Followed;

std::vector<Followed> followed_in(const proxy::Snapshot& snapshot) {
  std::vector<Followed> followed;
  for (const proxy::ServiceSnapshot& service : snapshot.services) {
    const health::CheckSource v4 = health::check_source(service.policy.source, AF_INET);
    const health::CheckSource v6 = health::check_source(service.policy.source, AF_INET6);
    for (const balance::WeightedEndpoint& entry : service.endpoints) {
      const int family = entry.endpoint->address().family();
      followed.push_back({.endpoint = entry.endpoint,
                          .check = service.policy.active_check,
                          .proxy = service.policy.proxy_header.version,
                          .takes_part = entry.takes_part()});
      if (family != AF_UNIX) followed.back().source = family == AF_INET ? v4 : v6;
    }
  }
  return followed;
}

}  // namespace

EndpointCare::EndpointCare(event::Engine& engine, const Deployment::Workers& workers,
                           util::Log& log, uint32_t max_probes)
    : engine_(engine),
      log_(log),
      overrides_(board_, log),
      checker_(engine, board_, max_probes, static_cast<uint64_t>(util::clock_ns(CLOCK_REALTIME))) {
  board_.follow([this](const health::HealthChange& change) { log_change(change); });
  // After the log, which so tells of a change before those that follow from it.
  passive_checks_ = std::make_unique<PassiveChecks>(engine, log, board_);
  closing_ = std::make_unique<EndpointClosing>(workers, board_);
}

void EndpointCare::prepare(const Deployed& next, std::function<void()> on_known) {
  using Wanted = health::FirstResults::Wanted;
  // Before what depends on who takes connections.
  if (!overrides_.empty()) overrides_.prepare(list_endpoints(next), engine_.now_ms());
  checker_.follow(followed_in(*next.snapshot));
  closing_->prepare(*next.snapshot);
  const Wanted wanted = std::exchange(is_start_, false) ? Wanted::kAll : Wanted::kOnePerService;
  checker_.await_first_results(wanted, std::move(on_known));
}

void EndpointCare::follow(const Deployed& deployed) {
  // Before what depends on who takes connections.
  if (!overrides_.empty()) overrides_.follow(list_endpoints(deployed), engine_.now_ms());
  passive_checks_->follow(*deployed.snapshot);
  closing_->follow(deployed);
}

absl::StatusOr<std::string> EndpointCare::change(const Deployed& deployed,
                                                 const EndpointWish& wish) {
  const std::vector<ListedEndpoint> endpoints = list_endpoints(deployed);
  const absl::StatusOr<const ListedEndpoint*> endpoint =
      find_listed(endpoints, wish.service, wish.address);
  if (!endpoint.ok()) return endpoint.status();
  const absl::Status status =
      overrides_.change(**endpoint, wish.action, wish.weight, engine_.now_ms());
  if (!status.ok()) return status;
  return override_text(*(*endpoint)->live);
}

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
