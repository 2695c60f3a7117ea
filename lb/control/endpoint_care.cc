#include "lb/control/endpoint_care.h"

#include <string>

#include "lb/control/listed_endpoints.h"

namespace lb::control {

EndpointCare::EndpointCare(event::Engine& engine, const Deployment::Workers& workers,
                           util::Log& log)
    : engine_(engine), log_(log), overrides_(board_, log) {
  board_.follow([this](const health::HealthChange& change) { log_change(change); });
  // After the log, which so tells of a change before those that follow from it.
  passive_checks_ = std::make_unique<PassiveChecks>(engine, log, board_);
  closing_ = std::make_unique<EndpointClosing>(workers, board_);
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

void EndpointCare::stop() {}

void EndpointCare::log_change(const health::HealthChange& change) {
  if (change.was_up == change.is_up) return;
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
