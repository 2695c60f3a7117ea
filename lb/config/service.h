// Services and their endpoints as the file says them: the API's Service and EndpointSlice in one,
// plus the extensions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lb/config/object_name.h"
#include "lb/config/position.h"

namespace lb::config {

enum class LoadBalancerType { kRoundRobin };

// What the extensions say about the connections to a service. [defaults.service] sets the same
// fields for all.
struct ServicePolicy {
  LoadBalancerType load_balancer = LoadBalancerType::kRoundRobin;
  int64_t connect_timeout_ms = 5'000;       // one attempt
  uint32_t retry_max_attempts = 3;          // connect attempts in all, each on another endpoint
  int64_t retry_total_timeout_ms = 10'000;  // over all attempts
};

struct ServicePort {
  std::string name;  // may be empty
  uint16_t port = 0;
  uint16_t target_port = 0;  // the reader fills in `port` where the file is silent
  std::string protocol = "TCP";
  SourcePosition where;
};

inline constexpr int64_t kMaxEndpointWeight = 1'000'000;  // as a backendRef's

// Either an address or a path, never both, in a loaded configuration.
struct Endpoint {
  std::string address;  // IPv4 or IPv6 without brackets
  std::string path;     // of a unix socket: absolute, or "@name" in the abstract space
  uint16_t port = 0;    // 0 = the target port of the service port that is used
  uint32_t weight = 1;  // 0..1000000; 0 gets nothing
  bool ready = true;
  SourcePosition where;

  bool usable() const { return ready && weight > 0; }
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
  EndpointsFile endpoints_file;
  ServicePolicy policy;
  SourcePosition where;
};

}  // namespace lb::config
