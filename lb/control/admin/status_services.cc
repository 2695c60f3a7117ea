#include "lb/control/admin/status_services.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "lb/control/live_endpoints.h"
#include "lb/control/overrides.h"

namespace lb::control {
namespace {

// Whole numbers as such, which all are but those that still grow.
nlohmann::json weight_json(double weight) {
  if (weight == std::floor(weight)) return static_cast<uint64_t>(weight);
  return weight;
}

nlohmann::json endpoint_status(const std::string& service, const config::Endpoint& endpoint,
                               uint16_t port, const LiveEndpoints& live) {
  const auto found = live.find({service, label_of(endpoint, port)});
  const std::string overridden = found == live.end() ? "" : override_text(*found->second.endpoint);
  const bool is_path = !endpoint.path.empty();
  const std::string& host = endpoint.address.empty() ? endpoint.hostname : endpoint.address;
  nlohmann::json status = {
      {"address", is_path ? endpoint.path : host},
      {"port", is_path ? 0 : port},
      {"healthy", found == live.end() ? endpoint.ready : found->second.is_healthy},
      {"weight", weight_json(found == live.end() ? endpoint.weight : found->second.weight)},
      {"active", found == live.end() ? 0 : found->second.endpoint->active()},
      {"override", overridden.empty() ? nlohmann::json() : nlohmann::json(overridden)}};
  if (!endpoint.hostname.empty()) {
    status["hostname"] = config::printable(endpoint.hostname);
    status["resolved"] = !endpoint.address.empty();
  }
  return status;
}

nlohmann::json service_status(const config::Service& service, const LiveEndpoints& live) {
  const std::string name = to_string(service.name);
  nlohmann::json endpoints = nlohmann::json::array();
  // Two ports with one target port lead to the same endpoints.
  std::set<std::pair<const config::Endpoint*, uint16_t>> listed;
  for (const config::ServicePort& service_port : service.ports) {
    for (const config::Endpoint& endpoint : service.endpoints) {
      const uint16_t port = endpoint.port != 0 ? endpoint.port : service_port.target_port;
      const uint16_t key = endpoint.path.empty() ? port : uint16_t{0};
      if (!listed.emplace(&endpoint, key).second) continue;
      endpoints.push_back(endpoint_status(name, endpoint, port, live));
    }
  }
  nlohmann::json status = {{"namespace", service.name.ns},
                           {"name", service.name.name},
                           {"endpoints", std::move(endpoints)}};
  if (const config::EndpointsFile& file = service.endpoints_file; !file.path.empty()) {
    status["endpointsFile"] = {{"path", config::printable(file.path)},
                               {"error", config::printable(file.error)}};
  }
  return status;
}

}  // namespace

nlohmann::json services_status(const Deployed& deployed, bool is_live) {
  const LiveEndpoints live = live_endpoints(*deployed.snapshot);
  nlohmann::json services = nlohmann::json::array();
  for (const config::Service& service : deployed.loaded.config->services) {
    services.push_back(service_status(service, live));
    if (is_live) continue;
    for (nlohmann::json& endpoint : services.back()["endpoints"]) endpoint.erase("active");
  }
  return services;
}

nlohmann::json reload_status(const ReloadState& state) {
  nlohmann::json faults = nlohmann::json::array();
  for (const config::Fault& fault : state.faults) faults.push_back(config::format(fault));
  return {{"applied", state.was_successful},
          {"error", state.error},
          {"faults", std::move(faults)},
          {"time", static_cast<double>(state.success_wall_us) / 1e6}};
}

}  // namespace lb::control
