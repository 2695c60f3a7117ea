#include <fmt/format.h>

#include "lb/config/ip_text.h"
#include "lb/config/read/schema.h"

namespace lb::config {
namespace {

constexpr Count kListeners{1, 64};
constexpr Count kAddresses{0, 16};
constexpr Count kRouteKinds{0, 8};
constexpr Count kCertificateRefs{0, 64};
constexpr Count kTLSOptions{0, 16};

// Below this a relay would spend its time on calls; above it one connection could take the
// machine's memory.
constexpr uint64_t kMinBufferBytes = uint64_t{4} * 1024;
constexpr uint64_t kMaxBufferBytes = uint64_t{1} << 30;

constexpr std::array<Choice<FromNamespaces>, 3> kFrom = {{{"Same", FromNamespaces::kSame},
                                                          {"All", FromNamespaces::kAll},
                                                          {"Selector", FromNamespaces::kSelector}}};

constexpr std::array<Choice<TLSMode>, 2> kTLSModes = {
    {{"Terminate", TLSMode::kTerminate}, {"Passthrough", TLSMode::kPassthrough}}};

void read_allowed_routes(Reader& reader, AllowedRoutes& allowed) {
  reader.table("namespaces", [&](Reader& namespaces) {
    namespaces.choice("from", kFrom, allowed.from);
    namespaces.table("selector", [&](Reader& entry) { read_selector(entry, allowed.selector); });
    if (allowed.from == FromNamespaces::kSelector && !namespaces.has("selector")) {
      namespaces.faults().error(FaultCode::kMissingKey, namespaces.where("from"),
                                "selector is missing: from = \"Selector\" needs it");
    }
  });
  reader.each("kinds", kRouteKinds, [&](Reader& entry) {
    RouteKind kind;
    kind.where = entry.where();
    entry.text("group", NameRule::kGroup, kind.group);
    entry.text("kind", NameRule::kKind, kind.kind, Need::kRequired);
    allowed.kinds.push_back(std::move(kind));
  });
}

// The API refuses these at the door. Under other protocols they are for the versions that serve
// those.
void check_keys_of_protocol(Reader& reader, const Listener& listener) {
  const std::string& protocol = listener.protocol;
  const bool plain = protocol == "TCP" || protocol == "UDP";
  const auto refuse = [&](std::string_view key, std::string_view protocols) {
    if (!reader.has(key)) return;
    reader.faults().error(
        FaultCode::kForbiddenKey, reader.where(key),
        fmt::format("{} must not be specified for protocols [{}]", key, protocols));
  };
  if (plain) refuse("hostname", "'TCP', 'UDP'");
  if (plain || protocol == "HTTP") refuse("tls", "'HTTP', 'TCP', 'UDP'");
  if (protocol == "TLS" && !reader.has("tls")) {
    reader.fault(FaultCode::kMissingKey, "tls is missing: tls mode must be set for protocol TLS");
  }
  if (protocol == "HTTPS" && listener.tls && listener.tls->mode != TLSMode::kTerminate) {
    reader.faults().error(FaultCode::kBadChoice, reader.where("tls"),
                          "tls mode must be Terminate for protocol HTTPS");
  }
}

void read_tls(Reader& reader, const std::string& ns, ListenerTLS& tls) {
  reader.choice("mode", kTLSModes, tls.mode);
  reader.each("certificateRefs", kCertificateRefs, [&](Reader& entry) {
    CertificateRef ref;
    ref.where = entry.where();
    ref.name.ns = ns;
    entry.text("group", NameRule::kGroup, ref.group);
    entry.text("kind", NameRule::kKind, ref.kind);
    entry.text("namespace", NameRule::kNamespace, ref.name.ns);
    entry.text("name", NameRule::kReference, ref.name.name, Need::kRequired);
    tls.certificate_refs.push_back(std::move(ref));
  });
  reader.text_map("options", NameRule::kLabelKey, NameRule::kText, kTLSOptions, tls.options);
}

void read_listener(Reader& reader, const std::string& ns, Listener& listener) {
  listener.where = reader.where();
  reader.text("name", NameRule::kSection, listener.name, Need::kRequired);
  // A listener with `unix` has no port; that `unix` is not supported is then fault enough.
  reader.port("port", listener.port, reader.has("unix") ? Need::kOptional : Need::kRequired);
  reader.text("protocol", NameRule::kProtocol, listener.protocol, Need::kRequired);
  reader.text("hostname", NameRule::kHostname, listener.hostname);
  reader.table("tls", [&](Reader& entry) {
    listener.tls.emplace();
    read_tls(entry, ns, *listener.tls);
  });
  check_keys_of_protocol(reader, listener);
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
      read_listener(entry, gateway.name.ns, listener);
      gateway.listeners.push_back(std::move(listener));
    });
    gateways.push_back(std::move(gateway));
  });
}

}  // namespace lb::config
