#include <fmt/format.h>

#include "lb/config/ip_text.h"
#include "lb/config/schema.h"

namespace lb::config {
namespace {

constexpr Count kListeners{1, 64};
constexpr Count kAddresses{0, 16};
constexpr Count kRouteKinds{0, 8};

// Below this a relay would spend its time on calls; above it one connection could take the
// machine's memory.
constexpr uint64_t kMinBufferBytes = uint64_t{4} * 1024;
constexpr uint64_t kMaxBufferBytes = uint64_t{1} << 30;

constexpr std::array<Choice<FromNamespaces>, 2> kFrom = {
    {{"Same", FromNamespaces::kSame}, {"All", FromNamespaces::kAll}}};

void read_allowed_routes(Reader& reader, AllowedRoutes& allowed) {
  reader.table("namespaces", [&](Reader& namespaces) {
    namespaces.choice("from", kFrom, allowed.from);
    // A selector beside from = "Selector" is one thing that is not supported, not two.
    if (namespaces.has("from") && namespaces.has("selector")) namespaces.claim("selector");
  });
  reader.each("kinds", kRouteKinds, [&](Reader& entry) {
    RouteKind kind;
    kind.where = entry.where();
    entry.text("group", NameRule::kGroup, kind.group);
    entry.text("kind", NameRule::kKind, kind.kind, Need::kRequired);
    allowed.kinds.push_back(std::move(kind));
  });
}

// The API refuses these two at the door. Under other protocols they are for the versions that serve
// those.
void refuse_keys_of_other_protocols(Reader& reader, const std::string& protocol) {
  const bool plain = protocol == "TCP" || protocol == "UDP";
  const auto refuse = [&](std::string_view key, std::string_view protocols) {
    if (!reader.has(key)) return;
    reader.claim(key);
    reader.faults().error(
        FaultCode::kForbiddenKey, reader.where(key),
        fmt::format("{} must not be specified for protocols [{}]", key, protocols));
  };
  if (plain) refuse("hostname", "'TCP', 'UDP'");
  if (plain || protocol == "HTTP") refuse("tls", "'HTTP', 'TCP', 'UDP'");
}

void read_listener(Reader& reader, Listener& listener) {
  listener.where = reader.where();
  reader.text("name", NameRule::kSection, listener.name, Need::kRequired);
  // A listener with `unix` has no port; that `unix` is not supported is then fault enough.
  reader.port("port", listener.port, reader.has("unix") ? Need::kOptional : Need::kRequired);
  reader.text("protocol", NameRule::kProtocol, listener.protocol, Need::kRequired);
  refuse_keys_of_other_protocols(reader, listener.protocol);
  reader.table("allowedRoutes",
               [&](Reader& allowed) { read_allowed_routes(allowed, listener.allowed_routes); });
  read_listener_policy(reader, listener.policy);
}

void read_address(Reader& reader, GatewayAddress& address) {
  address.where = reader.where();
  reader.text("type", NameRule::kNonEmpty, address.type);
  reader.text("value", NameRule::kText, address.value);
  if (address.type == "IPAddress" && !address.value.empty()) {
    check_ip(reader, "value", address.value);
  }
}

}  // namespace

void read_listener_policy(Reader& reader, ListenerPolicy& policy) {
  reader.table("timeout", [&](Reader& timeout) {
    timeout.table("tcp", [&](Reader& tcp) {
      tcp.duration("idleTimeout", policy.idle_timeout_ms);
      tcp.duration("halfCloseTimeout", policy.half_close_timeout_ms);
    });
  });
  reader.table("connection", [&](Reader& connection) {
    connection.quantity("bufferLimit", policy.buffer_limit_bytes, kMinBufferBytes, kMaxBufferBytes);
  });
}

void read_gateways(Reader& root, const ListenerPolicy& defaults, std::vector<Gateway>& gateways) {
  root.each("gateways", {}, [&](Reader& reader) {
    Gateway gateway;
    gateway.where = reader.where();
    read_object_name(reader, gateway.name);
    reader.timestamp("creationTimestamp", gateway.creation_time_ms);
    reader.each("addresses", kAddresses, [&](Reader& entry) {
      GatewayAddress address;
      read_address(entry, address);
      gateway.addresses.push_back(std::move(address));
    });
    reader.each("listeners", kListeners, [&](Reader& entry) {
      Listener listener;
      listener.policy = defaults;
      read_listener(entry, listener);
      gateway.listeners.push_back(std::move(listener));
    });
    gateways.push_back(std::move(gateway));
  });
}

}  // namespace lb::config
