#include "lb/health/check_source.h"

#include "absl/status/statusor.h"
#include "lb/net/socket.h"

namespace lb::health {

CheckSource check_source(const config::UpstreamSource& policy, int family) {
  CheckSource source;
  source.interface = policy.interface;
  for (const std::string& text : policy.addresses) {
    const absl::StatusOr<net::Address> address = net::Address::parse(text, 0);
    if (!address.ok() || address->family() != family) continue;
    source.addresses.push_back(*address);
    if (source.addresses.size() == CheckSource::kMaxAddresses) break;
  }
  return source;
}

int take_source(event::Engine& engine, int fd, const CheckSource& source) {
  if (source.addresses.empty()) {
    if (source.interface.empty()) return 0;
    return engine.set_stream_source(fd, {.interface = source.interface});
  }
  int error = 0;
  for (const net::Address& address : source.addresses) {
    error = engine.set_stream_source(fd, {.address = address, .interface = source.interface});
    if (error >= 0) break;
  }
  return error;
}

}  // namespace lb::health
