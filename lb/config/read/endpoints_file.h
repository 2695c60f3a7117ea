// A file of endpoints, as other programs write it for a service: one a line,
//
//   ADDRESS[:PORT] [weight=N] [priority=N] [maxConnections=N]     # and a comment, if need be
//
// where ADDRESS is an IPv4 address, an IPv6 address (in brackets where a port follows), or the path
// of a unix socket, which has no port. Without a port it is the service's target port. Lines end
// with LF or CRLF; blank ones are passed over; a '#' begins a comment where a word could begin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "lb/config/read/fault_list.h"
#include "lb/config/service.h"

namespace lb::config {

inline constexpr size_t kMaxEndpointsFileBytes = 1024 * 1024;

// Appends what the text says to `endpoints`, but not the lines that have a fault. Positions are in
// source `file`.
void parse_endpoints(std::string_view text, uint32_t file, std::vector<Endpoint>& endpoints,
                     FaultList& faults);

}  // namespace lb::config
