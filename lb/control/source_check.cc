#include "lb/control/source_check.h"

#include <cerrno>
#include <cstring>
#include <string>

#include "lb/net/fd.h"
#include "lb/net/socket.h"

namespace lb::control {
namespace {

// How a connect from there would begin, as 0 or -errno.
int try_source(const net::StreamSource& source) {
  const int family = source.address.is_ip() ? source.address.family() : AF_INET;
  const net::UniqueFd fd(net::open_stream_socket(family));
  return fd.is_open() ? net::set_stream_source(fd.get(), source) : 0;
}

std::string why_not(int error) {
  switch (-error) {
    case EADDRNOTAVAIL:
      return "not an address of this host";
    case ENODEV:
      return "no such interface";
    case EPERM:
      return "not permitted";
    default:
      return std::strerror(-error);
  }
}

void warn_of(const config::Service& service, util::Log& log) {
  const auto warn = [&](const std::string& source, const std::string& why) {
    log.warn("source not usable",
             {{"service", to_string(service.name)}, {"source", source}, {"why", why}});
  };
  const config::UpstreamSource& source = service.policy.source;
  for (const std::string& text : source.addresses) {
    const absl::StatusOr<net::Address> address = net::Address::parse(text, 0);
    if (!address.ok()) continue;
    if (const int error = try_source({*address, false, ""}); error < 0) warn(text, why_not(error));
  }
  if (!source.interface.empty()) {
    const int error = try_source({net::Address(), false, source.interface});
    if (error < 0) warn(source.interface, why_not(error));
  }
  if (source.transparent) {
    const int error = try_source({*net::Address::parse("127.0.0.1", 0), true, ""});
    if (error == -EPERM) warn("transparent", "CAP_NET_ADMIN is missing: connections will fail");
  }
}

}  // namespace

void warn_of_sources(const config::Config& config, util::Log& log) {
  for (const config::Service& service : config.services) warn_of(service, log);
}

}  // namespace lb::control
