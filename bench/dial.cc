#include "bench/dial.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "lb/net/fd.h"
#include "lb/net/socket.h"

namespace lb::bench {

int Dialer::dial() {
  const int opened = net::open_stream_socket(target_.family());
  if (opened < 0) return opened;
  net::UniqueFd fd(opened);
  if (!sources_.empty()) {
    const net::Address& source = sources_[next_source_++ % sources_.size()];
    // The port is chosen at connect(2), when the whole address pair is known: far more are free
    // then.
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd.get(), source.data(), source.size_bytes()) != 0) return -errno;
  }
  if (connect(fd.get(), target_.data(), target_.size_bytes()) != 0 && errno != EINPROGRESS) {
    return -errno;
  }
  return fd.release();
}

}  // namespace lb::bench
