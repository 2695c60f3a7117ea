#include "test/support/blackhole.h"

#include <cerrno>

#include "test/support/failure.h"
#include "test/support/port_allocator.h"
#include "test/support/tcp_backend.h"

namespace lb::test {

Blackhole::Blackhole()
    : address_(ip_address("127.0.0.1", allocate_port())), listener_(listen_on(address_, 0)) {
  for (int filler = 0; filler < 10; ++filler) {
    int error = 0;
    Socket socket = Socket::try_connect(
        address_, {.receive_buffer_bytes = 0, .patience = std::chrono::milliseconds(100)}, error);
    if (error == ETIMEDOUT) return;
    if (error != 0) throw Failure(errno_text("blackhole", error));
    fillers_.push_back(std::move(socket));
  }
  throw Failure("the accept queue does not fill up");
}

}  // namespace lb::test
