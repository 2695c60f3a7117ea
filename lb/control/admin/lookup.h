// Which endpoint a client of some address goes to under ConsistentHash. Control thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lb/proxy/snapshot.h"
#include "lb/util/clock.h"

namespace lb::control {

struct LookupAnswer {
  std::string endpoint;  // as things stand; empty when nobody is left
  std::string home;      // whose slot the client has, whether it can be chosen now or not
};

// One result for each list of endpoints that the service's ports lead to, without those that say
// the same. `service` is "name" or "namespace/name", `address` an IP address. NotFound when no
// route leads to such a service, InvalidArgument when the question makes no sense.
absl::StatusOr<std::vector<LookupAnswer>> lookup(const proxy::Snapshot& snapshot,
                                                 std::string_view service, std::string_view address,
                                                 util::MonoTimeMs now_ms);

}  // namespace lb::control
