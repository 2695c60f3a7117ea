#include "lb/event/engine.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "lb/util/assert.h"

namespace lb::event {

Engine::Engine(const EngineOptions& options, util::MonoTimeMs now_ms)
    : options_(options),
      now_ms_(now_ms),
      timers_(now_ms),
      buffers_(options.max_buffers, options.buffer_size_bytes) {}

int Engine::open_stream_socket(int family) { return net::open_stream_socket(family); }

void Engine::shutdown_write(int fd) { ::shutdown(fd, SHUT_WR); }

void Engine::close(int fd, CloseMode mode) {
  if (mode == CloseMode::kReset) net::arm_reset(fd);
  ::close(fd);
}

int64_t Engine::unacked_bytes(int fd) { return net::unacked_bytes(fd); }

net::TcpState Engine::tcp_state(int fd) { return net::tcp_state(fd); }

net::Address Engine::local_address(int fd) { return net::local_address(fd); }

net::Address Engine::peer_address(int fd) { return net::peer_address(fd); }

void Engine::begin(Op& op, Op::Kind kind, int fd) {
  LB_ASSERT(!op.in_flight_ && op.handler_ != nullptr);
  op.in_flight_ = true;
  op.kind = kind;
  op.place = Op::Place::kKernel;
  op.cancelled = false;
  op.fd = fd;
}

void Engine::complete(Op& op, Completion completion) {
  LB_ASSERT(op.in_flight_);
  op.in_flight_ = completion.more;
  op.handler_(op.owner_, completion);
}

util::MonoTimeMs Engine::wakeup_ms(util::MonoTimeMs deadline_ms) const {
  return std::min(deadline_ms, timers_.next_wakeup_ms());
}

}  // namespace lb::event
