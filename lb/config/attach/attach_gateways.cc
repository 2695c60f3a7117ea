// Which gateways and listeners can be served, before any route is looked at.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "lb/config/attach/attach_steps.h"
#include "lb/config/ip_text.h"

namespace lb::config {
namespace {

constexpr std::string_view kAnyIPv4 = "0.0.0.0";
constexpr std::string_view kAnyIP = "::";

void attach_addresses(const Gateway& gateway, AttachedGateway& attached, Attachment& out) {
  std::vector<std::string>& addresses = attached.addresses;
  if (gateway.addresses.empty()) addresses.emplace_back(kAnyIP);
  for (const GatewayAddress& address : gateway.addresses) {
    if (address.type != "IPAddress") {
      attached.accepted = false;
      attached.accepted_reason = Reason::kUnsupportedAddress;
      add_finding(out, FaultCode::kUnsupportedAddress, Reason::kUnsupportedAddress, address.where,
                  fmt::format("address type \"{}\" is not supported: gateway \"{}\" is not served",
                              address.type, to_string(gateway.name)));
    } else if (address.value.empty()) {
      attached.address_not_assigned = true;
      add_finding(out, FaultCode::kAddressNotAssigned, Reason::kAddressNotAssigned, address.where,
                  fmt::format("an address of gateway \"{}\" has no value, and none can be assigned "
                              "here",
                              to_string(gateway.name)));
    } else {
      addresses.push_back(canonical_ip(address.value));
    }
  }
  // "::" takes IPv4 as well: both would be the same address twice.
  if (std::find(addresses.begin(), addresses.end(), kAnyIP) != addresses.end()) {
    std::erase(addresses, kAnyIPv4);
  }
  if (!attached.accepted) addresses.clear();
}

void attach_listener(const Listener& listener, AttachedListener& attached, Attachment& out) {
  if (listener.protocol != "TCP") {
    attached.accepted = Reason::kUnsupportedProtocol;
    attached.accepted_why = fmt::format(
        "protocol \"{}\" is not supported: listener \"{}\" is not "
        "served",
        listener.protocol, listener.name);
    add_finding(out, FaultCode::kUnsupportedProtocol, Reason::kUnsupportedProtocol, listener.where,
                attached.accepted_why, util::suggest(listener.protocol, {"TCP"}));
    return;
  }
  attached.takes_tcp_routes = listener.allowed_routes.kinds.empty();
  for (const RouteKind& kind : listener.allowed_routes.kinds) {
    if (kind.is_tcp_route()) {
      attached.takes_tcp_routes = true;
      continue;
    }
    attached.resolved_refs = Reason::kInvalidRouteKinds;
    const std::string why = fmt::format("listener \"{}\" cannot take routes of kind {}/{}",
                                        listener.name, kind.group, kind.kind);
    append_why(attached.resolved_refs_why, why);
    add_finding(out, FaultCode::kInvalidRouteKinds, Reason::kInvalidRouteKinds, kind.where, why,
                util::suggest(kind.kind, {"TCPRoute"}));
  }
}

// UDP has ports of its own, and of an unknown protocol nothing is known.
bool takes_tcp_port(std::string_view protocol) {
  return protocol == "TCP" || protocol == "TLS" || protocol == "HTTP" || protocol == "HTTPS";
}

using Socket = std::pair<std::string, uint16_t>;

// Who wants each address and port. Ordered, so that the findings are the same in every run.
std::map<Socket, std::vector<ListenerIndex>> claims_of(const Config& config,
                                                       const Attachment& out) {
  std::map<Socket, std::vector<ListenerIndex>> claims;
  for (size_t g = 0; g < config.gateways.size(); ++g) {
    const std::vector<Listener>& listeners = config.gateways[g].listeners;
    for (size_t l = 0; l < listeners.size(); ++l) {
      if (!takes_tcp_port(listeners[l].protocol)) continue;
      for (const std::string& address : out.gateways[g].addresses) {
        claims[{address, listeners[l].port}].push_back({g, l});
        if (address != kAnyIP) continue;
        claims[{std::string(kAnyIPv4), listeners[l].port}].push_back({g, l});
      }
    }
  }
  return claims;
}

// All who want one socket lose it: the API leaves no room for picking a winner. Listeners without
// TCP among them are told apart by what they speak, and are not served anyway.
void refuse_conflicts(const Config& config, Attachment& out) {
  for (const auto& [socket, claimants] : claims_of(config, out)) {
    const bool has_tcp =
        std::any_of(claimants.begin(), claimants.end(), [&](const ListenerIndex& index) {
          return config.gateways[index.gateway].listeners[index.listener].protocol == "TCP";
        });
    if (claimants.size() < 2 || !has_tcp) continue;
    for (const ListenerIndex& index : claimants) {
      AttachedListener& attached = out.gateways[index.gateway].listeners[index.listener];
      if (attached.conflicted()) continue;  // said at another address
      attached.accepted = Reason::kProtocolConflict;
      const ListenerIndex& other = index == claimants.front() ? claimants[1] : claimants.front();
      attached.accepted_why = fmt::format(
          "{} and {} both want port {} of address {}: neither is served", describe(config, index),
          describe(config, other), socket.second, socket.first);
      add_finding(out, FaultCode::kProtocolConflict, Reason::kProtocolConflict,
                  config.gateways[index.gateway].listeners[index.listener].where,
                  attached.accepted_why);
    }
  }
}

void summarise(AttachedGateway& attached) {
  if (!attached.accepted) return;
  const auto is_good = [](const AttachedListener& listener) {
    return listener.accepted == Reason::kAccepted;
  };
  const auto good = std::count_if(attached.listeners.begin(), attached.listeners.end(), is_good);
  if (static_cast<size_t>(good) == attached.listeners.size()) return;
  attached.accepted_reason = Reason::kListenersNotValid;
  attached.accepted = good > 0;
}

}  // namespace

void attach_gateways(const Config& config, Attachment& out) {
  out.gateways.resize(config.gateways.size());
  for (size_t g = 0; g < config.gateways.size(); ++g) {
    const Gateway& gateway = config.gateways[g];
    AttachedGateway& attached = out.gateways[g];
    attach_addresses(gateway, attached, out);
    attached.listeners.resize(gateway.listeners.size());
    for (size_t l = 0; l < gateway.listeners.size(); ++l) {
      attach_listener(gateway.listeners[l], attached.listeners[l], out);
    }
  }
  refuse_conflicts(config, out);
  for (AttachedGateway& attached : out.gateways) summarise(attached);
}

}  // namespace lb::config
