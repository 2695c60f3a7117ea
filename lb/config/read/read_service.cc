#include <fmt/format.h>

#include "lb/config/ip_text.h"
#include "lb/config/read/schema.h"
#include "lb/net/address.h"

namespace lb::config {
namespace {

constexpr Count kPorts{1, 100};
constexpr int64_t kMaxAttempts = 100;
constexpr int64_t kMinTimeoutMs = 1;

constexpr std::array<Choice<LoadBalancerType>, 1> kLoadBalancers = {
    {{"RoundRobin", LoadBalancerType::kRoundRobin}}};

constexpr std::array<Choice<std::string_view>, 3> kPortProtocols = {
    {{"TCP", "TCP"}, {"UDP", "UDP"}, {"SCTP", "SCTP"}}};

void read_port(Reader& reader, ServicePort& port) {
  port.where = reader.where();
  reader.text("name", NameRule::kPort, port.name);
  reader.port("port", port.port, Need::kRequired);
  port.target_port = port.port;
  reader.port("targetPort", port.target_port);
  std::string_view protocol = "TCP";
  reader.choice("protocol", kPortProtocols, protocol);
  port.protocol = protocol;
}

void check_path(Reader& reader, const std::string& path) {
  const bool absolute = path.starts_with('/') || path.starts_with('@');
  if (absolute && net::Address::from_unix_path(path).ok()) return;
  reader.faults().error(FaultCode::kBadPath, reader.where("path"),
                        "path must be an absolute path or \"@name\", and at most 107 bytes long");
}

void read_endpoint(Reader& reader, Endpoint& endpoint) {
  endpoint.where = reader.where();
  reader.text("address", NameRule::kNonEmpty, endpoint.address);
  reader.text("hostname", NameRule::kNonEmpty, endpoint.hostname);
  reader.boolean("srv", endpoint.srv);
  reader.text("path", NameRule::kNonEmpty, endpoint.path);
  reader.port("port", endpoint.port);
  reader.integer("weight", 0, kMaxEndpointWeight, endpoint.weight);
  reader.boolean("ready", endpoint.ready);
  if (!endpoint.address.empty()) check_ip(reader, "address", endpoint.address);
  if (!endpoint.path.empty()) check_path(reader, endpoint.path);
  const bool by_address = reader.has("address");
  const bool by_path = reader.has("path");
  if (by_address && by_path) {
    reader.fault(FaultCode::kAddressOrPath, "address and path must not both be specified");
  } else if (!by_address && !by_path && !reader.has("hostname")) {
    reader.fault(FaultCode::kAddressOrPath, "one of address and path must be specified");
  } else if (by_path && reader.has("port")) {
    reader.fault(FaultCode::kAddressOrPath, "port must not be specified beside path");
  }
}

}  // namespace

void read_service_policy(Reader& reader, ServicePolicy& policy) {
  reader.table("loadBalancer", [&](Reader& balancer) {
    balancer.choice("type", kLoadBalancers, policy.load_balancer);
  });
  reader.table("dns", [&](Reader& dns) {
    dns.duration("refresh", policy.dns.refresh_ms, 10);
    dns.duration("minTTL", policy.dns.min_ttl_ms, 10);
    dns.duration("maxTTL", policy.dns.max_ttl_ms, 10);
  });
  reader.table("timeout", [&](Reader& timeout) {
    timeout.table("tcp", [&](Reader& tcp) {
      tcp.duration("connectTimeout", policy.connect_timeout_ms, kMinTimeoutMs);
    });
  });
  reader.table("retry", [&](Reader& retry) {
    retry.integer("maxAttempts", 1, kMaxAttempts, policy.retry_max_attempts);
    retry.duration("totalTimeout", policy.retry_total_timeout_ms, kMinTimeoutMs);
  });
}

void read_services(Reader& root, const ServicePolicy& defaults, std::vector<Service>& services) {
  root.each("services", {}, [&](Reader& reader) {
    Service service;
    service.where = reader.where();
    service.policy = defaults;
    read_object_name(reader, service.name);
    reader.each("ports", kPorts, [&](Reader& entry) {
      ServicePort port;
      read_port(entry, port);
      service.ports.push_back(std::move(port));
    });
    reader.each("endpoints", {}, [&](Reader& entry) {
      Endpoint endpoint;
      read_endpoint(entry, endpoint);
      service.endpoints.push_back(std::move(endpoint));
    });
    service.endpoints_file.where = reader.where("endpointsFile");
    reader.text("endpointsFile", NameRule::kNonEmpty, service.endpoints_file.path);
    read_service_policy(reader, service.policy);
    services.push_back(std::move(service));
  });
}

}  // namespace lb::config
