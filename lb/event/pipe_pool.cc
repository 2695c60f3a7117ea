#include "lb/event/pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "lb/util/assert.h"

namespace lb::event {
namespace {

// Never SPLICE_F_MORE: the end of what is here is not known to be followed by anything, and the
// kernel would keep it back for up to 200 ms.
constexpr unsigned kSpliceFlags = SPLICE_F_NONBLOCK | SPLICE_F_MOVE;

int32_t splice_once(int from_fd, int to_fd, uint32_t max_bytes) {
  for (;;) {
    const ssize_t moved = ::splice(from_fd, nullptr, to_fd, nullptr, max_bytes, kSpliceFlags);
    if (moved >= 0) return static_cast<int32_t>(moved);
    if (errno != EINTR) return -errno;
  }
}

}  // namespace

int32_t Pipe::fill(int socket_fd) {
  LB_ASSERT(held_bytes_ == 0);
  const int32_t moved = splice_once(socket_fd, write_fd(), kMaxFillBytes);
  if (moved > 0) held_bytes_ = static_cast<uint32_t>(moved);
  return moved;
}

int32_t Pipe::drain(int socket_fd) {
  const int32_t moved = splice_once(read_fd(), socket_fd, held_bytes_);
  LB_ASSERT(moved != 0);
  if (moved > 0) held_bytes_ -= static_cast<uint32_t>(moved);
  return moved;
}

PipePool::~PipePool() { LB_ASSERT(lent_ == 0); }

PipeLease PipePool::take(util::MonoTimeMs now_ms) {
  if (lent_ == max_pipes_) return {};
  std::unique_ptr<Pipe> pipe;
  if (!idle_.empty()) {
    pipe = std::move(idle_.back());
    idle_.pop_back();
  } else if (now_ms >= refused_until_ms_) {
    pipe = make_pipe();
    if (pipe == nullptr) refused_until_ms_ = now_ms + kAskAgainMs;
  }
  if (pipe == nullptr) return {};
  ++lent_;
  return PipeLease(pipe.release());
}

std::unique_ptr<Pipe> PipePool::make_pipe() {
  std::array<int, 2> fds = {};
  if (pipe2(fds.data(), O_NONBLOCK | O_CLOEXEC) != 0) return refuse(errno);
  auto pipe = std::make_unique<Pipe>();
  pipe->pool_ = this;
  pipe->read_end_.reset(fds[0]);
  pipe->write_end_.reset(fds[1]);
  fcntl(fds[1], F_SETPIPE_SZ, pipe_size_bytes_);
  const int size_bytes = fcntl(fds[1], F_GETPIPE_SZ);
  // A user's pages are used up: pipe(7).
  if (size_bytes < static_cast<int>(kMinPipeBytes)) return refuse(ENOSPC);
  is_refused_ = false;
  return pipe;
}

std::unique_ptr<Pipe> PipePool::refuse(int error) {
  if (!std::exchange(is_refused_, true)) untold_refusal_ = error;
  return nullptr;
}

void PipePool::give_back(std::unique_ptr<Pipe> pipe) {
  --lent_;
  if (pipe->held_bytes_ == 0) idle_.push_back(std::move(pipe));
}

}  // namespace lb::event
