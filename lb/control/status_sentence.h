// What the process does, in one sentence, for `systemctl status` and the like.
#pragma once

#include <cstdint>
#include <string>

#include "lb/control/deployment.h"

namespace lb::control {

// "3 listeners, 12 endpoints, generation 4, loaded 2026-05-01 17:55:02" in local time, as all that
// stands around it, and why the last reload was refused, if it was.
std::string serving_sentence(const Deployed& deployed, const ReloadState& reload);

// What is left to do before the process exits.
std::string draining_sentence(int64_t connections, int64_t timeout_ms);

}  // namespace lb::control
