// Answers of a running process as people read them. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace lb::control {

// One screen of `status --json`. Parts that are not there are left out.
std::string status_text(const nlohmann::json& status);

// What `diff --json` counts, a line each.
std::string diff_text(const nlohmann::json& diff);

// What `lookup --json` found, a line for each list of endpoints.
std::string lookup_text(const nlohmann::json& lookup);

}  // namespace lb::control
