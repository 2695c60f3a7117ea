// Services and their endpoints as the file says them: the API's Service and EndpointSlice in one,
// plus the extensions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "lb/config/object_name.h"
#include "lb/config/position.h"

namespace lb::config {

enum class LoadBalancerType { kLeastConnections, kRoundRobin, kRandom, kConsistentHash };

// Of LoadBalancerType::kConsistentHash: a Maglev table over the sorted identities of the endpoints.
struct ConsistentHash {
  uint32_t table_size = 65'537;  // a prime
  uint64_t seed = 0;
  uint8_t prefix4 = 32;  // how much of an IPv4 client's address counts
  uint8_t prefix6 = 128;

  friend bool operator==(const ConsistentHash&, const ConsistentHash&) = default;
};

enum class CheckType { kTCP, kHTTP, kTLS };

// What a TCP check sends, and what must come back, in this order. Bytes, however they were written.
struct TCPCheck {
  std::string send;
  std::vector<std::string> receive;  // empty = a connection is enough

  friend bool operator==(const TCPCheck&, const TCPCheck&) = default;
};

struct StatusRange {
  uint16_t first = 200;
  uint16_t last = 200;  // inclusive

  friend bool operator==(const StatusRange&, const StatusRange&) = default;
};

struct HTTPCheck {
  std::string path = "/";
  std::string host;                                  // empty = the endpoint's address
  std::vector<StatusRange> expected = {{200, 200}};  // at least 1

  friend bool operator==(const HTTPCheck&, const HTTPCheck&) = default;
};

struct TLSCheck {
  std::string server_name;        // SNI; empty = none
  std::vector<std::string> alpn;  // offered; empty = no ALPN

  friend bool operator==(const TLSCheck&, const TLSCheck&) = default;
};

// What an endpoint is before its first check has ended.
enum class InitialHealth { kUnhealthy, kHealthy };

struct ActiveCheck {
  CheckType type = CheckType::kTCP;
  int64_t interval_ms = 3'000;
  int64_t timeout_ms = 1'000;
  uint32_t unhealthy_threshold = 3;
  uint32_t healthy_threshold = 1;
  uint16_t port = 0;  // 0 = the endpoint's
  InitialHealth initial = InitialHealth::kUnhealthy;
  TCPCheck tcp;
  HTTPCheck http;
  TLSCheck tls;

  friend bool operator==(const ActiveCheck&, const ActiveCheck&) = default;
};

// Ejection of endpoints that connections cannot be made to.
struct PassiveCheck {
  uint32_t consecutive_connect_failures = 5;  // 0 = off
  int64_t base_ejection_ms = 30'000;          // the n-th ejection in a row lasts n times as long
  int64_t max_ejection_ms = 300'000;
  uint32_t max_ejection_percent = 50;  // of the service's endpoints

  friend bool operator==(const PassiveCheck&, const PassiveCheck&) = default;
};

struct CircuitBreaker {
  uint32_t max_connections = 0;               // of the service; 0 = no bound, as everywhere here
  uint32_t per_endpoint_max_connections = 0;  // unless the endpoint has its own
  uint32_t max_pending = 0;                   // connections that may wait when all are full
  int64_t pending_timeout_ms = 5'000;

  friend bool operator==(const CircuitBreaker&, const CircuitBreaker&) = default;
};

enum class ProxyVersion { kNone, kV1, kV2 };

// What a PROXY header of version 2 carries beside the addresses.
struct ProxyTLVs {
  bool authority = false;
  bool alpn = false;
  bool unique_id = false;
  bool crc32c = false;

  friend bool operator==(const ProxyTLVs&, const ProxyTLVs&) = default;
};

struct ProxyHeader {
  ProxyVersion version = ProxyVersion::kNone;
  ProxyTLVs tlvs;

  friend bool operator==(const ProxyHeader&, const ProxyHeader&) = default;
};

// Where connections to the endpoints come from.
struct UpstreamSource {
  std::vector<std::string> addresses;  // IPs, used in turn; empty = the kernel's choice
  bool transparent = false;            // the client's own address
  std::string interface;               // empty = any

  friend bool operator==(const UpstreamSource&, const UpstreamSource&) = default;
};

// What becomes of the connections to an endpoint that has gone.
struct Closing {
  enum class Mode { kKeep, kClose, kSpread };
  Mode mode = Mode::kKeep;
  int64_t spread_ms = 0;  // over which they are closed; of kSpread only

  friend bool operator==(const Closing&, const Closing&) = default;
};

// How long what the DNS says about a hostname is believed.
struct DNSPolicy {
  int64_t refresh_ms = 0;  // 0 = as the answer's TTL says
  int64_t min_ttl_ms = 1'000;
  int64_t max_ttl_ms = 3'600'000;

  friend bool operator==(const DNSPolicy&, const DNSPolicy&) = default;
};

// What the extensions say about the connections to a service. [defaults.service] sets the same
// fields for all.
struct ServicePolicy {
  LoadBalancerType load_balancer = LoadBalancerType::kLeastConnections;
  ConsistentHash consistent_hash;
  int64_t slow_start_ms = 0;  // over which a new endpoint's weight grows; 0 = at once
  std::optional<ActiveCheck> active_check;
  PassiveCheck passive_check;
  uint32_t panic_threshold_percent = 0;     // fewer healthy than this: health is ignored
  int64_t connect_timeout_ms = 5'000;       // one attempt
  uint32_t retry_max_attempts = 3;          // connect attempts in all, each on another endpoint
  int64_t retry_total_timeout_ms = 10'000;  // over all attempts
  CircuitBreaker circuit_breaker;
  ProxyHeader proxy_header;
  UpstreamSource source;
  Closing on_endpoint_down;
  Closing on_endpoint_removed;
  DNSPolicy dns;

  friend bool operator==(const ServicePolicy&, const ServicePolicy&) = default;
};

struct ServicePort {
  std::string name;  // may be empty
  uint16_t port = 0;
  uint16_t target_port = 0;  // the reader fills in `port` where the file is silent
  std::string protocol = "TCP";
  SourcePosition where;
};

inline constexpr int64_t kMaxEndpointWeight = 1'000'000;  // as a backendRef's
inline constexpr int64_t kMaxEndpointPriority = 127;      // as Envoy's
inline constexpr int64_t kMaxEndpointConnections = int64_t{1} << 30;

// One of an address, a hostname and a path, in a loaded configuration; where names have been
// resolved, an address with the hostname that it came from.
struct Endpoint {
  std::string address;   // IPv4 or IPv6 without brackets
  std::string hostname;  // stands for as many endpoints as the DNS has addresses; lower case
  bool srv = false;      // the hostname is that of SRV records, which bring ports and weights
  std::string path;      // of a unix socket: absolute, or "@name" in the abstract space
  uint16_t port = 0;     // 0 = the target port of the service port that is used
  uint32_t weight = 1;   // 0..1000000; 0 gets nothing
  bool ready = true;
  uint32_t priority = 0;         // higher ones are used when lower ones have none left
  uint32_t max_connections = 0;  // 0 = as the service's circuit breaker says
  SourcePosition where;

  bool usable() const { return ready && weight > 0; }
  // All that they say is the same, wherever they say it.
  bool is_same_as(const Endpoint& other) const {
    const auto content = [](const Endpoint& endpoint) {
      return std::tie(endpoint.address, endpoint.hostname, endpoint.srv, endpoint.path,
                      endpoint.port, endpoint.weight, endpoint.ready, endpoint.priority,
                      endpoint.max_connections);
    };
    return content(*this) == content(other);
  }
};

// A file with further endpoints (endpoints_file.h), which a running process watches.
struct EndpointsFile {
  std::string path;  // empty = none; as it can be opened, once loaded
  SourcePosition where;
  uint32_t source = 0;  // what its endpoints' positions point into
  size_t count = 0;     // how many of the service's endpoints, its last ones, are the file's
  std::string error;    // why they are not what is in the file now; empty when they are
};

struct Service {
  ObjectName name;
  std::vector<ServicePort> ports;  // at least 1
  std::vector<Endpoint> endpoints;
  // Its own endpoints as the file says them, where some are names and `endpoints` has what these
  // come to instead; else empty.
  std::vector<Endpoint> written;
  EndpointsFile endpoints_file;
  ServicePolicy policy;
  SourcePosition where;
};

}  // namespace lb::config
