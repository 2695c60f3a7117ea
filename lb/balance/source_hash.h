// A hash of where a client comes from, the same on every machine.
#pragma once

#include <cstdint>

#include "lb/net/address.h"

namespace lb::balance {

struct SourcePrefix {
  uint8_t v4 = 32;  // bits of an IPv4 address that count; of IPv4-mapped ones, too
  uint8_t v6 = 128;
};

// Uniform over 64 bits. Ports do not count; all clients without an IP address have the same.
uint64_t source_hash(const net::Address& client, const SourcePrefix& prefix, uint64_t seed);

}  // namespace lb::balance
