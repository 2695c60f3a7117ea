// Routes and reference grants as the file says them, with the API's defaults filled in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lb/config/gateway.h"
#include "lb/config/object_name.h"
#include "lb/config/position.h"

namespace lb::config {

// Which listeners of which gateway a route wants. Neither section_name nor port = every TCP
// listener of it.
struct ParentRef {
  std::string group{kGatewayGroup};
  std::string kind = "Gateway";
  ObjectName name;  // the namespace defaults to the route's
  std::optional<std::string> section_name;
  std::optional<uint16_t> port;
  SourcePosition where;
};

struct BackendRef {
  std::string group;  // "" is the core group, where Service lives
  std::string kind = "Service";
  ObjectName name;  // the namespace defaults to the route's
  uint16_t port =
      0;  // the service's port, not the target port; 0 only where the kind is not Service
  uint32_t weight = 1;  // 0..1000000, a share of the sum over the rule; 0 gets nothing
  SourcePosition where;

  bool is_service() const { return group.empty() && kind == "Service"; }
};

struct RouteRule {
  std::string name;                      // may be empty
  std::vector<BackendRef> backend_refs;  // 1..16
  SourcePosition where;
};

using TCPRouteRule = RouteRule;

// What all kinds of route have.
struct Route {
  ObjectName name;
  // The older of two routes on a listener carries the traffic; one without a time counts as the
  // oldest.
  std::optional<int64_t> creation_time_ms;
  std::vector<ParentRef> parent_refs;  // 0..32
  std::vector<RouteRule> rules;        // exactly 1 in a loaded configuration
  SourcePosition where;
};

struct TCPRoute : Route {};

struct TLSRoute : Route {
  std::vector<std::string> hostnames;  // 1..1024, each perhaps with "*." in front
};

struct ReferenceGrantFrom {
  std::string group;
  std::string kind;
  std::string ns;
  SourcePosition where;
};

struct ReferenceGrantTo {
  std::string group;
  std::string kind;
  std::optional<std::string> name;  // absent = every object of that kind in the grant's namespace
  SourcePosition where;
};

// Lives in the namespace of what is referred to; any `from` may refer to any `to`.
struct ReferenceGrant {
  ObjectName name;
  std::vector<ReferenceGrantFrom> from;  // 1..16
  std::vector<ReferenceGrantTo> to;      // 1..16
  SourcePosition where;
};

}  // namespace lb::config
