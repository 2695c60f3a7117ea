#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "lb/config/ip_text.h"
#include "lb/config/read/schema.h"
#include "lb/net/address.h"

namespace lb::config {
namespace {

void check_address(Reader& reader, const std::string& address) {
  if (broken_rule(NameRule::kDNSName, address).empty()) {
    reader.fault_at("address", FaultCode::kBadAddress,
                    fmt::format("must be an IP address, but is \"{}\"", address),
                    fmt::format("hostname = '{}'", address));
  } else {
    check_ip(reader, "address", address);
  }
}

void check_path(Reader& reader, const std::string& path) {
  const bool absolute = path.starts_with('/') || path.starts_with('@');
  if (absolute && net::Address::from_unix_path(path).ok()) return;
  reader.fault_at("path", FaultCode::kBadPath,
                  "must be an absolute path or \"@name\", and at most 107 bytes long");
}

// Names differ in their letters and not in their case.
void read_hostname(Reader& reader, Endpoint& endpoint) {
  reader.boolean("srv", endpoint.srv);
  reader.text("hostname", endpoint.srv ? NameRule::kRecordName : NameRule::kDNSName,
              endpoint.hostname);
  for (char& c : endpoint.hostname) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
}

void check_kind(Reader& reader, const Endpoint& endpoint) {
  const int kinds = static_cast<int>(reader.has("address")) +
                    static_cast<int>(reader.has("hostname")) + static_cast<int>(reader.has("path"));
  if (kinds > 1) {
    reader.fault(FaultCode::kAddressOrPath,
                 "only one of address, hostname and path may be specified");
  } else if (kinds == 0) {
    reader.fault(FaultCode::kAddressOrPath, "one of address, hostname and path must be specified");
  } else if (reader.has("path") && reader.has("port")) {
    reader.fault(FaultCode::kAddressOrPath, "port must not be specified beside path");
  } else if (endpoint.srv && !reader.has("hostname")) {
    reader.fault_at("srv", FaultCode::kAddressOrPath, "must not be true without hostname");
  } else if (endpoint.srv) {
    reader.fault_at("port", FaultCode::kConflictingKeys,
                    "must not be specified beside srv: the records say the port");
  }
}

}  // namespace

void read_endpoint(Reader& reader, Endpoint& endpoint) {
  endpoint.where = reader.where();
  reader.text("address", NameRule::kNonEmpty, endpoint.address);
  read_hostname(reader, endpoint);
  reader.text("path", NameRule::kNonEmpty, endpoint.path);
  reader.port("port", endpoint.port);
  reader.integer("weight", 0, kMaxEndpointWeight, endpoint.weight);
  reader.boolean("ready", endpoint.ready);
  reader.integer("priority", 0, kMaxEndpointPriority, endpoint.priority);
  reader.integer("maxConnections", 0, kMaxEndpointConnections, endpoint.max_connections);
  if (!endpoint.address.empty()) check_address(reader, endpoint.address);
  if (!endpoint.path.empty()) check_path(reader, endpoint.path);
  check_kind(reader, endpoint);
}

}  // namespace lb::config
