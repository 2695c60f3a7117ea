#include <fmt/format.h>

#include <algorithm>

#include "lb/config/ip_text.h"
#include "lb/config/read/schema.h"

namespace lb::config {
namespace {

constexpr Count kServers{0, 16};
constexpr uint16_t kDNSPort = 53;
constexpr int64_t kMinPeriodMs = 10;

bool has_hostname(const Service& service) {
  return std::any_of(service.endpoints.begin(), service.endpoints.end(),
                     [](const Endpoint& endpoint) { return !endpoint.hostname.empty(); });
}

}  // namespace

void read_dns_policy(Reader& reader, const Service* service, DNSPolicy& policy) {
  reader.table("dns", [&](Reader& dns) {
    dns.duration("refresh", policy.refresh_ms, kMinPeriodMs);
    dns.duration("minTTL", policy.min_ttl_ms, kMinPeriodMs);
    dns.duration("maxTTL", policy.max_ttl_ms, kMinPeriodMs);
    if (policy.min_ttl_ms <= policy.max_ttl_ms) return;
    if (dns.has("minTTL") && dns.has("maxTTL")) {
      dns.fault_at("minTTL", FaultCode::kOutOfRange, "must not be longer than maxTTL");
    } else if (dns.has("minTTL")) {
      policy.max_ttl_ms = policy.min_ttl_ms;  // where only a default is on the wrong side of it
    } else {
      policy.min_ttl_ms = policy.max_ttl_ms;
    }
  });
  if (service != nullptr && !has_hostname(*service)) {
    reader.warn_at("dns", FaultCode::kNoEffect, "has no effect: no endpoint has a hostname");
  }
}

void read_dns(Reader& root, DNS& dns) {
  root.table("dns", [&](Reader& reader) {
    std::vector<PlacedText> servers;
    reader.texts("servers", NameRule::kText, kServers, servers);
    for (const PlacedText& server : servers) {
      absl::StatusOr<net::Address> address = net::Address::parse(server.text, kDNSPort);
      if (const std::optional<net::Address> with_port = parse_ip_port(server.text)) {
        address = *with_port;
      }
      if (address.ok()) {
        dns.servers.push_back(*address);
        continue;
      }
      reader.faults().error(
          FaultCode::kBadAddress, server.where,
          fmt::format("every entry of servers must be an IP address, perhaps with a port, like "
                      "\"127.0.0.1:5353\", but this is \"{}\"",
                      server.text),
          inner_ip(server.text));
    }
  });
}

}  // namespace lb::config
