// The conditions of a configuration for programs and for people: JSON in the API's shape, and lines
// for a terminal.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "lb/config/status/conditions.h"
#include "lb/control/deployment.h"

namespace lb::control {

// {"gateways", "tcpRoutes", "tlsRoutes"}, as `status --json` and `check --json` have them.
nlohmann::json status_json(const config::Status& status);

// Faults as `check --json` has them; they must be located.
nlohmann::json faults_json(const std::vector<config::Fault>& faults);

// A table: object, condition, reason, message. What is well, or not known, is one line an object.
std::string condition_lines(const config::Status& status);

// What came of binding, for make_status(): `open` and `failures` are about the snapshot that was
// compiled from the same configuration. Sorted.
std::vector<config::BindOutcome> bind_outcomes(const config::Attachment& attachment,
                                               const OpenAddresses& open,
                                               const std::vector<BindFailure>& failures);

// What could not be bound, as faults: located, in the order of the file.
std::vector<config::Fault> bind_faults(const Deployed& deployed);

// The status of what is deployed and bound.
config::Status status_of(const Deployed& deployed, const config::Status& previous, int64_t now_ms);

}  // namespace lb::control
