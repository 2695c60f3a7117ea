// The page for people behind [admin] http. Control thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace lb::control {

// `status` is what /status says; `not_ready` why the process should get no traffic, or empty.
std::string front_page(const nlohmann::json& status, const std::string& not_ready);

}  // namespace lb::control
