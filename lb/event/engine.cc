#include "lb/event/engine.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "lb/util/assert.h"

namespace lb::event {

Engine::Engine(const EngineOptions& options, util::MonoTimeMs now_ms)
    : options_(options),
      now_ms_(now_ms),
      timers_(now_ms),
      buffers_(options.max_buffers, options.buffer_size_bytes),
      pipes_(options.max_pipes, options.pipe_size_bytes) {
  trim_timer_.bind<&Engine::trim_buffers>(this);
}

Engine::~Engine() { timers_.stop(trim_timer_); }

int Engine::open_stream_socket(int family) { return net::open_stream_socket(family); }

int Engine::set_stream_source(int fd, const net::StreamSource& source) {
  return net::set_stream_source(fd, source);
}

void Engine::shutdown_write(int fd) { ::shutdown(fd, SHUT_WR); }

void Engine::close(int fd, CloseMode mode) {
  if (mode == CloseMode::kReset) net::arm_reset(fd);
  ::close(fd);
}

int64_t Engine::unacked_bytes(int fd) { return net::unacked_bytes(fd); }

net::TcpState Engine::tcp_state(int fd) { return net::tcp_state(fd); }

net::Address Engine::local_address(int fd) { return net::local_address(fd); }

net::Address Engine::peer_address(int fd) { return net::peer_address(fd); }

int32_t Engine::peek(int fd, std::span<std::byte> out) { return net::peek(fd, out); }

void Engine::set_low_mark(int fd, uint32_t size_bytes) { net::set_low_mark(fd, size_bytes); }

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
  op.handler_(op.owner_.owner_of(&op), completion);
}

void Engine::begin_turn() {
  ++counters_.turns;
  spliced_in_turn_bytes_ = 0;
  if (buffers_.has_surplus() && !trim_timer_.is_running()) {
    timers_.start(trim_timer_, now_ms_ + kTrimEveryMs);
  }
}

void Engine::trim_buffers() {
  buffers_.trim();
  if (buffers_.has_surplus()) timers_.start(trim_timer_, now_ms_ + kTrimEveryMs);
}

int32_t Engine::fill_pipe(RecvOp& op) {
  PipeLease pipe = pipes_.take(now_ms_);
  if (!pipe.is_held()) return -ENOBUFS;
  const int32_t result = pipe->fill(op.fd);
  if (result > 0) {
    spliced_in_turn_bytes_ += static_cast<uint32_t>(result);
    op.pipe = std::move(pipe);
  }
  return result;
}

int32_t Engine::drain_pipe(SendOp& op) {
  while (op.pipe->held_bytes() > 0) {
    const int32_t result = op.pipe->drain(op.fd);
    op.sent_bytes = op.size_bytes - op.pipe->held_bytes();
    if (result < 0) return result;
  }
  return static_cast<int32_t>(op.size_bytes);
}

util::MonoTimeMs Engine::wakeup_ms(util::MonoTimeMs deadline_ms) const {
  return std::min(deadline_ms, timers_.next_wakeup_ms());
}

}  // namespace lb::event
