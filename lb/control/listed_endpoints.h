// The endpoints of a configuration, each as the file says it and as it lives. Control thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lb/balance/endpoint.h"
#include "lb/control/deployment.h"

namespace lb::control {

struct ListedEndpoint {
  std::string service;  // as logs and metrics name it
  std::string label;    // as balance::Endpoint::label()
  bool is_ready = true;
  uint32_t weight = 1;
  std::shared_ptr<balance::Endpoint> live;  // null where no route leads to it
};

// In the order of the file; once each, also where two ports of a service lead to the same one. What
// has no address yet is left out.
std::vector<ListedEndpoint> list_endpoints(const Deployed& deployed);

// The one that a person means by `service` ("name" or "namespace/name") and `address` ("ip:port",
// "[ip]:port" or a path). The error says what is wrong, and what was probably meant.
absl::StatusOr<const ListedEndpoint*> find_listed(const std::vector<ListedEndpoint>& endpoints,
                                                  std::string_view service,
                                                  std::string_view address);

}  // namespace lb::control
