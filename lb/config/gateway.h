// Gateways and their listeners as the file says them: the API's Gateway, plus the extensions on a
// listener.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lb/config/label_selector.h"
#include "lb/config/object_name.h"
#include "lb/config/position.h"

namespace lb::config {

inline constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";

// What the extensions say about the connections of a listener. [defaults.listener] sets the same
// fields for all.
struct ListenerPolicy {
  int64_t idle_timeout_ms = 3'600'000;      // no byte either way; 0 = never
  int64_t half_close_timeout_ms = 300'000;  // one side has sent FIN; 0 = close both once flushed
  uint64_t buffer_limit_bytes = uint64_t{64} * 1024;  // held in user space, per direction

  friend bool operator==(const ListenerPolicy&, const ListenerPolicy&) = default;
};

// A kind of route that a listener takes.
struct RouteKind {
  std::string group{kGatewayGroup};
  std::string kind;
  SourcePosition where;

  bool is_tcp_route() const { return group == kGatewayGroup && kind == "TCPRoute"; }
};

enum class FromNamespaces { kSame, kAll, kSelector };

struct AllowedRoutes {
  FromNamespaces from = FromNamespaces::kSame;
  LabelSelector selector;        // of namespaces; only for kSelector
  std::vector<RouteKind> kinds;  // empty = what the protocol implies
};

enum class TLSMode { kTerminate, kPassthrough };

struct CertificateRef {
  std::string group;
  std::string kind = "Secret";
  ObjectName name;  // the namespace defaults to the gateway's
  SourcePosition where;
};

// Read and kept, but no protocol that has it is served.
struct ListenerTLS {
  TLSMode mode = TLSMode::kTerminate;
  std::vector<CertificateRef> certificate_refs;  // 0..64
  Labels options;                                // 0..16
};

struct Listener {
  std::string name;
  uint16_t port = 0;
  std::string protocol;  // "TCP" is served; anything else loads but is not accepted (attach.h)
  std::string hostname;  // empty = every name; never for TCP and UDP
  std::optional<ListenerTLS> tls;  // never for TCP, UDP and HTTP; always for TLS
  AllowedRoutes allowed_routes;
  ListenerPolicy policy;
  SourcePosition where;
};

struct GatewayAddress {
  std::string type = "IPAddress";
  std::string
      value;  // an IP without brackets or prefix length when the type is IPAddress; may be empty
  SourcePosition where;
};

struct Gateway {
  ObjectName name;
  std::optional<int64_t> creation_time_ms;  // since the Unix epoch, UTC
  std::vector<GatewayAddress> addresses;    // empty = every address of this host, IPv4 and IPv6
  std::vector<Listener> listeners;          // 1..64
  SourcePosition where;
};

}  // namespace lb::config
