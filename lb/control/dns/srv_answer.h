// The SRV records in an answer of the DNS, with their TTL, which c-ares does not tell.
#pragma once

#include <cstddef>
#include <span>

#include "lb/control/dns/resolver.h"

namespace lb::control {

// Reads a whole DNS message (RFC 1035, 4) that may hold anything. Records without a service behind
// them (the target ".") are left out. kNotFound when there are none, kFailed when the message is
// broken.
Answer read_srv_answer(std::span<const std::byte> message);

}  // namespace lb::control
