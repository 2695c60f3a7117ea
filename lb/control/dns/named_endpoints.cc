#include "lb/control/dns/named_endpoints.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <set>
#include <utility>

#include "lb/config/ip_text.h"

namespace lb::control {
namespace {

bool is_name(const config::Endpoint& endpoint) { return !endpoint.hostname.empty(); }

// The sockets that the endpoints of a service lead to, through each of its ports.
class Taken {
 public:
  explicit Taken(const config::Service& service) : service_(service) {}

  // False when another endpoint leads there already, through one of the ports.
  bool take(const std::string& ip, uint16_t own_port) {
    for (size_t i = 0; i < service_.ports.size(); ++i) {
      if (sockets_.contains(socket(i, ip, own_port))) return false;
    }
    for (size_t i = 0; i < service_.ports.size(); ++i) sockets_.insert(socket(i, ip, own_port));
    return true;
  }

 private:
  using Socket = std::pair<size_t, std::pair<std::string, uint16_t>>;  // by service port

  Socket socket(size_t port, const std::string& ip, uint16_t own_port) const {
    return {port, {ip, own_port != 0 ? own_port : service_.ports[port].target_port}};
  }

  const config::Service& service_;
  std::set<Socket> sockets_;
};

uint32_t weight_of(const config::Endpoint& named, const NamedTarget& target) {
  const uint64_t weight = uint64_t{named.weight} * target.weight;
  return static_cast<uint32_t>(std::min(weight, static_cast<uint64_t>(config::kMaxEndpointWeight)));
}

void resolve_service(config::Service& service, const TargetsOf& targets_of) {
  const auto own_end =
      service.endpoints.end() - static_cast<std::ptrdiff_t>(service.endpoints_file.count);
  if (service.written.empty()) service.written.assign(service.endpoints.begin(), own_end);
  std::vector<config::Endpoint> of_file(own_end, service.endpoints.end());

  Taken taken(service);
  for (const std::vector<config::Endpoint>* list : {&service.written, &of_file}) {
    for (const config::Endpoint& endpoint : *list) {
      if (!endpoint.address.empty()) {
        taken.take(config::canonical_ip(endpoint.address), endpoint.port);
      }
    }
  }
  std::vector<config::Endpoint> resolved;
  for (const config::Endpoint& written : service.written) {
    if (!is_name(written)) {
      resolved.push_back(written);
      continue;
    }
    const std::vector<NamedTarget> targets = targets_of(written);
    for (const NamedTarget& target : targets) {
      config::Endpoint endpoint = written;
      endpoint.address = target.address;
      if (endpoint.port == 0) endpoint.port = target.port;
      endpoint.weight = weight_of(written, target);
      endpoint.priority += target.priority;
      if (taken.take(endpoint.address, endpoint.port)) resolved.push_back(std::move(endpoint));
    }
    if (!targets.empty()) continue;
    resolved.push_back(written);
    resolved.back().ready = false;
  }
  std::move(of_file.begin(), of_file.end(), std::back_inserter(resolved));
  service.endpoints = std::move(resolved);
}

}  // namespace

void resolve_names(config::Config& config, const TargetsOf& targets_of) {
  for (config::Service& service : config.services) {
    if (!names_of(service).empty()) resolve_service(service, targets_of);
  }
}

std::vector<const config::Endpoint*> names_of(const config::Service& service) {
  std::vector<const config::Endpoint*> names;
  const std::vector<config::Endpoint>& written =
      service.written.empty() ? service.endpoints : service.written;
  for (const config::Endpoint& endpoint : written) {
    if (is_name(endpoint)) names.push_back(&endpoint);
  }
  return names;
}

}  // namespace lb::control
