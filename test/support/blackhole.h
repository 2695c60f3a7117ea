// A TCP address on this host that never answers a SYN: the accept queue of its listener is full.
#pragma once

#include <vector>

#include "lb/net/address.h"
#include "lb/net/fd.h"
#include "test/support/socket.h"

namespace lb::test {

class Blackhole {
 public:
  Blackhole();
  const net::Address& address() const { return address_; }

 private:
  net::Address address_;
  net::UniqueFd listener_;
  std::vector<Socket> fillers_;
};

}  // namespace lb::test
