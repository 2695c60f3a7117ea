// A build without liburing.
#include <cerrno>

#include "bench/bare_relay.h"

namespace lb::bench {

int relay_by_uring(const net::Address&, const std::vector<net::Address>&) { return -ENOSYS; }

}  // namespace lb::bench
