#include "lb/config/read/validate.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lb/config/ip_text.h"

namespace lb::config {
namespace {

std::string at(SourcePosition where) { return fmt::format("line {}", where.line); }

// Remembers where each value was seen first.
template <typename Value>
class FirstSeen {
 public:
  // The place of an equal value before this one; null when this is the first.
  const SourcePosition* before(Value value, SourcePosition where) {
    const auto [entry, inserted] = seen_.try_emplace(std::move(value), where);
    return inserted ? nullptr : &entry->second;
  }

 private:
  absl::flat_hash_map<Value, SourcePosition> seen_;
};

const std::string& to_string(const std::string& name) { return name; }
bool is_empty(const ObjectName& name) { return name.name.empty(); }
bool is_empty(const std::string& name) { return name.empty(); }

// Objects are the only things that can be in two files.
template <typename Object>
void check_names(std::string_view noun, const std::vector<Object>& objects,
                 const std::vector<Source>& sources, FaultList& faults) {
  FirstSeen<decltype(Object::name)> names;
  for (const Object& object : objects) {
    if (is_empty(object.name)) continue;
    if (const SourcePosition* first = names.before(object.name, object.where)) {
      faults.error(FaultCode::kDuplicateObject, object.where,
                   fmt::format("duplicate {} \"{}\", first defined at {}", noun,
                               to_string(object.name), place_text(*first, object.where, sources)));
    }
  }
}

void check_listeners(const Gateway& gateway, FaultList& faults) {
  FirstSeen<std::string> names;
  FirstSeen<std::tuple<uint16_t, std::string, std::string>> ports;
  for (const Listener& listener : gateway.listeners) {
    if (!listener.name.empty()) {
      if (const SourcePosition* first = names.before(listener.name, listener.where)) {
        faults.error(FaultCode::kDuplicateListenerName, listener.where,
                     fmt::format("Listener name must be unique within the Gateway: \"{}\" is also "
                                 "at {}",
                                 listener.name, at(*first)));
      }
    }
    if (listener.port == 0 || listener.protocol.empty()) continue;
    if (const SourcePosition* first =
            ports.before({listener.port, listener.protocol, listener.hostname}, listener.where)) {
      faults.error(FaultCode::kDuplicatePort, listener.where,
                   fmt::format("Combination of port, protocol and hostname must be unique for "
                               "each listener: {} {} is also at {}",
                               listener.protocol, listener.port, at(*first)));
    }
  }
}

void check_addresses(const Gateway& gateway, FaultList& faults) {
  FirstSeen<std::pair<std::string, std::string>> values;
  for (const GatewayAddress& address : gateway.addresses) {
    if (address.value.empty()) continue;
    const bool is_ip = address.type == "IPAddress";
    std::string value = is_ip ? canonical_ip(address.value) : address.value;
    if (const SourcePosition* first =
            values.before({address.type, std::move(value)}, address.where)) {
      faults.error(FaultCode::kDuplicateAddress, address.where,
                   fmt::format("{} values must be unique: {} is also at {}", address.type,
                               address.value, at(*first)));
    }
  }
}

// The API's rule for references to one parent, in its form that compares (sectionName, port): all
// of them set the same ones of the two, and no two set them alike.
void check_parent_refs(const Route& route, FaultList& faults) {
  using Parent = std::pair<std::pair<std::string, std::string>, ObjectName>;
  using Section = std::pair<std::string, uint16_t>;
  absl::flat_hash_map<Parent, const ParentRef*> parents;
  FirstSeen<std::pair<Parent, Section>> sections;
  for (const ParentRef& ref : route.parent_refs) {
    if (ref.name.name.empty()) continue;
    const Parent parent{{ref.group, ref.kind}, ref.name};
    const Section section{ref.section_name.value_or(""), ref.port.value_or(0)};
    const auto [entry, is_first] = parents.try_emplace(parent, &ref);
    const SourcePosition* same = sections.before({parent, section}, ref.where);
    if (is_first) continue;
    const ParentRef& first = *entry->second;
    std::string_view word;
    if (first.section_name.has_value() != ref.section_name.has_value() ||
        first.port.has_value() != ref.port.has_value()) {
      word = "specified";
    } else if (same != nullptr) {
      word = "unique";
    } else {
      continue;
    }
    faults.error(FaultCode::kParentRefsNotDistinct, ref.where,
                 fmt::format("sectionName or port must be {} when parentRefs includes 2 or more "
                             "references to the same parent: {} \"{}\" is also at {}",
                             word, ref.kind, to_string(ref.name), at(first.where)));
  }
}

void check_service_ports(const Service& service, FaultList& faults) {
  FirstSeen<std::pair<uint16_t, std::string>> ports;
  FirstSeen<std::string> names;
  for (const ServicePort& port : service.ports) {
    if (!port.name.empty()) {
      if (const SourcePosition* first = names.before(port.name, port.where)) {
        faults.error(FaultCode::kDuplicateServicePort, port.where,
                     fmt::format("duplicate port name \"{}\" in service \"{}\", first at {}",
                                 port.name, to_string(service.name), at(*first)));
      }
    }
    if (port.port == 0) continue;
    if (const SourcePosition* first = ports.before({port.port, port.protocol}, port.where)) {
      faults.error(FaultCode::kDuplicateServicePort, port.where,
                   fmt::format("duplicate port {} {} in service \"{}\", first at {}", port.protocol,
                               port.port, to_string(service.name), at(*first)));
    }
  }
}

// An IP, a hostname or a path, of which none can be taken for another.
std::string host_text(const Endpoint& endpoint) {
  if (!endpoint.path.empty()) return endpoint.path;
  if (!endpoint.hostname.empty()) return endpoint.hostname;
  return endpoint.address.empty() ? "" : canonical_ip(endpoint.address);
}

}  // namespace

// Two endpoints are the same when a connection to any one port of the service could reach one
// socket through both, or when both stand for the same answer of the DNS.
void check_endpoints(const Service& service, const std::vector<Source>& sources,
                     FaultList& faults) {
  using Target = std::pair<std::string, uint16_t>;
  std::vector<FirstSeen<Target>> by_port(service.ports.size());
  for (const Endpoint& endpoint : service.endpoints) {
    const std::string host = host_text(endpoint);
    if (host.empty()) continue;
    const bool has_port = endpoint.path.empty() && !endpoint.srv;
    const SourcePosition* same = nullptr;
    for (size_t i = 0; i < by_port.size(); ++i) {
      const uint16_t port = !has_port            ? uint16_t{0}
                            : endpoint.port != 0 ? endpoint.port
                                                 : service.ports[i].target_port;
      const SourcePosition* first = by_port[i].before({host, port}, endpoint.where);
      if (same == nullptr) same = first;
    }
    if (same == nullptr) continue;
    faults.error(FaultCode::kDuplicateEndpoint, endpoint.where,
                 fmt::format("duplicate endpoint {} in service \"{}\", first at {}", host,
                             to_string(service.name), place_text(*same, endpoint.where, sources)));
  }
}

void validate(const Config& config, const std::vector<Source>& sources, FaultList& faults) {
  check_names("gateway", config.gateways, sources, faults);
  check_names("tcpRoute", config.tcp_routes, sources, faults);
  check_names("tlsRoute", config.tls_routes, sources, faults);
  check_names("service", config.services, sources, faults);
  check_names("referenceGrant", config.reference_grants, sources, faults);
  check_names("namespace", config.namespaces, sources, faults);
  for (const Gateway& gateway : config.gateways) {
    check_listeners(gateway, faults);
    check_addresses(gateway, faults);
  }
  for (const TCPRoute& route : config.tcp_routes) check_parent_refs(route, faults);
  for (const TLSRoute& route : config.tls_routes) check_parent_refs(route, faults);
  for (const Service& service : config.services) {
    check_service_ports(service, faults);
    check_endpoints(service, sources, faults);
  }
}

}  // namespace lb::config
