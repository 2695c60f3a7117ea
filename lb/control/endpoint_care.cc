#include "lb/control/endpoint_care.h"

#include <string>

#include "lb/control/deployment.h"

namespace lb::control {

EndpointCare::EndpointCare(event::Engine& engine, util::Log& log) : engine_(engine), log_(log) {
  board_.follow([this](const health::HealthChange& change) { log_change(change); });
}

void EndpointCare::follow(const Deployed& deployed) { static_cast<void>(deployed); }

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
