// Opens the client's connections.
#pragma once

#include <cstddef>
#include <vector>

#include "lb/net/address.h"

namespace lb::bench {

class Dialer {
 public:
  Dialer(const net::Address& target, const std::vector<net::Address>& sources)
      : target_(target), sources_(sources) {}

  // A non-blocking socket whose connection is under way or stands already, or -errno. TCP_NODELAY
  // is set. The next source address is used each time.
  int dial();

 private:
  net::Address target_;
  std::vector<net::Address> sources_;
  size_t next_source_ = 0;
};

}  // namespace lb::bench
