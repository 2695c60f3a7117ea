#include "lb/control/listed_endpoints.h"

#include <algorithm>
#include <set>
#include <utility>

#include "fmt/format.h"
#include "lb/config/fault.h"
#include "lb/config/ip_text.h"
#include "lb/control/live_endpoints.h"
#include "lb/util/suggest.h"

namespace lb::control {
namespace {

std::string meant(std::string_view word, const std::vector<std::string_view>& known) {
  const std::string_view nearest = util::suggest(word, known);
  return nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest);
}

std::string service_label(std::string_view text) {
  const std::string prefix = std::string(config::kDefaultNamespace) + "/";
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  return std::string(text);
}

std::string address_label(std::string_view text) {
  const std::optional<net::Address> address = config::parse_ip_port(text);
  return address ? address->to_string() : std::string(text);
}

}  // namespace

std::vector<ListedEndpoint> list_endpoints(const Deployed& deployed) {
  const LiveEndpoints live = live_endpoints(*deployed.snapshot);
  std::vector<ListedEndpoint> listed;
  for (const config::Service& service : deployed.loaded.config->services) {
    const std::string name = to_string(service.name);
    std::set<std::string> labels;
    for (const config::ServicePort& port : service.ports) {
      for (const config::Endpoint& endpoint : service.endpoints) {
        const std::string label = label_of(endpoint, port.target_port);
        if (label.empty() || !labels.insert(label).second) continue;
        const auto found = live.find({name, label});
        listed.push_back({name, label, endpoint.ready, endpoint.weight,
                          found == live.end() ? nullptr : found->second.endpoint});
      }
    }
  }
  return listed;
}

absl::StatusOr<const ListedEndpoint*> find_listed(const std::vector<ListedEndpoint>& endpoints,
                                                  std::string_view service,
                                                  std::string_view address) {
  const std::string name = service_label(service);
  const std::string label = address_label(address);
  std::vector<std::string_view> services;
  std::vector<std::string_view> labels;
  for (const ListedEndpoint& endpoint : endpoints) {
    services.push_back(endpoint.service);
    if (endpoint.service != name) continue;
    labels.push_back(endpoint.label);
    if (endpoint.label == label) return &endpoint;
  }
  if (labels.empty()) {
    return absl::NotFoundError(fmt::format("there is no service \"{}\" with endpoints{}",
                                           config::printable(name), meant(name, services)));
  }
  return absl::NotFoundError(fmt::format("service \"{}\" has no endpoint \"{}\"{}", name,
                                         config::printable(label), meant(label, labels)));
}

}  // namespace lb::control
