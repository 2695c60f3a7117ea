// A configuration as plain values that mirror the Gateway API: what load.h returns and attach.h
// resolves. A Config that came out of load has passed validate.h; [defaults] are already applied to
// every listener and service.
#pragma once

#include <vector>

#include "lb/config/gateway.h"
#include "lb/config/namespace.h"
#include "lb/config/route.h"
#include "lb/config/runtime.h"
#include "lb/config/service.h"

namespace lb::config {

struct Config {
  std::vector<Gateway> gateways;
  std::vector<TCPRoute> tcp_routes;
  std::vector<TLSRoute> tls_routes;
  std::vector<Service> services;
  std::vector<ReferenceGrant> reference_grants;
  std::vector<Namespace> namespaces;
  Runtime runtime;
  Admin admin;
  DNS dns;
  AccessLog access_log;
  Log log;
};

}  // namespace lb::config
