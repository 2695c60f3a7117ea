#include "lb/control/live_endpoints.h"

#include "absl/status/statusor.h"
#include "lb/net/address.h"
#include "lb/proxy/service_selection.h"
#include "lb/util/clock.h"

namespace lb::control {

LiveEndpoints live_endpoints(const proxy::Snapshot& snapshot) {
  LiveEndpoints live;
  const util::MonoTimeMs now_ms = util::mono_now_ms();
  for (const proxy::ServiceSnapshot& service : snapshot.services) {
    for (const balance::WeightedEndpoint& entry : service.endpoints) {
      live.emplace(std::pair(service.name, entry.endpoint->label()),
                   LiveEndpoint{entry.endpoint, entry.is_healthy(),
                                proxy::current_weight(service, entry, now_ms)});
    }
  }
  return live;
}

std::string label_of(const config::Endpoint& endpoint, uint16_t target_port) {
  if (!endpoint.path.empty()) return endpoint.path;
  const uint16_t port = endpoint.port != 0 ? endpoint.port : target_port;
  const absl::StatusOr<net::Address> address = net::Address::parse(endpoint.address, port);
  return address.ok() ? address->to_string() : "";
}

}  // namespace lb::control
