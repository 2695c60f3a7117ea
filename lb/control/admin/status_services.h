// What `status` says about the process and its services, as JSON (contract, section 1). Control
// thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "lb/control/deployment.h"

namespace lb::control {

// The "services" array: every service of the file, with its endpoints as the file lists them and
// what is live about them, and with its endpointsFile {"path", "error"}: why it is not taken as it
// is now, or "". Without the live figures when nothing runs.
nlohmann::json services_status(const Deployed& deployed, bool is_live = true);

// How the last attempt to change the configuration ended: {"applied", "error", "faults", "time"};
// faults as `check` prints them, time in seconds since the epoch, of the last one that was applied.
nlohmann::json reload_status(const ReloadState& state);

}  // namespace lb::control
