// Endpoints that are names become endpoints with addresses: a service keeps what the file says in
// `written`, and `endpoints` says what it comes to at the moment, so that nothing else need know of
// names. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lb/config/model.h"

namespace lb::control {

// How many endpoints one name stands for at most, the first in order.
inline constexpr size_t kMaxEndpointsPerName = 256;

// One address of a name.
struct NamedTarget {
  std::string address;    // in its one spelling
  uint16_t port = 0;      // unless the endpoint has one; of SRV records only, as what follows
  uint32_t weight = 1;    // times the endpoint's
  uint32_t priority = 0;  // on top of the endpoint's

  friend bool operator==(const NamedTarget&, const NamedTarget&) = default;
};

// What is known of the name of such an endpoint; empty when nothing is.
using TargetsOf = std::function<std::vector<NamedTarget>(const config::Endpoint& named)>;

// Replaces every name by what is known of it now, also where it was replaced before. A name of
// which nothing is known stays, and is not ready. An address that the service has already, by
// itself or through another name, is not taken twice.
void resolve_names(config::Config& config, const TargetsOf& targets_of);

// The endpoints of a service that are names, as the file says them.
std::vector<const config::Endpoint*> names_of(const config::Service& service);

}  // namespace lb::control
