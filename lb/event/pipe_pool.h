// The pipes of one worker, through which bytes go from socket to socket without entering user space
// (splice(2)). A flow has one only while bytes are in it, so a few serve thousands of flows. They
// are made when they are needed, bounded in number, and lent out last-in-first-out. A pipe that
// comes back with bytes in it is closed: they must never reach anybody else. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "lb/net/fd.h"
#include "lb/util/clock.h"

namespace lb::event {

class PipePool;

class Pipe {
 public:
  // At most so much in one fill: a fast sender's share of a turn.
  static constexpr uint32_t kMaxFillBytes = 1U << 20;

  // Takes what it can from a socket, in one splice(2): how many bytes came, 0 for FIN, or -errno.
  // Of an empty pipe only: then -EAGAIN means that the socket is empty, and not that the pipe is
  // full, whose room is counted in segments and not in bytes.
  int32_t fill(int socket_fd);
  // Gives what is held to a socket, in one splice(2): how many bytes went, or -errno.
  int32_t drain(int socket_fd);

  uint32_t held_bytes() const { return held_bytes_; }
  // For engines whose sockets are not the kernel's: its two ends.
  int read_fd() const { return read_end_.get(); }
  int write_fd() const { return write_end_.get(); }
  // What they have moved by themselves.
  void set_held_bytes(uint32_t held_bytes) { held_bytes_ = held_bytes; }

 private:
  friend class PipePool;
  friend class PipeLease;

  PipePool* pool_ = nullptr;
  net::UniqueFd read_end_;
  net::UniqueFd write_end_;
  uint32_t held_bytes_ = 0;
};

// The right to one pipe and what is in it; returning it is the destructor's work.
class PipeLease {
 public:
  PipeLease() = default;
  explicit PipeLease(Pipe* pipe) : pipe_(pipe) {}
  PipeLease(PipeLease&& other) noexcept : pipe_(std::exchange(other.pipe_, nullptr)) {}
  PipeLease& operator=(PipeLease&& other) noexcept {
    if (this == &other) return *this;
    reset();
    pipe_ = std::exchange(other.pipe_, nullptr);
    return *this;
  }
  ~PipeLease() { reset(); }

  bool is_held() const { return pipe_ != nullptr; }
  Pipe& operator*() const { return *pipe_; }
  Pipe* operator->() const { return pipe_; }

  void reset();

 private:
  Pipe* pipe_ = nullptr;
};

class PipePool {
 public:
  // The least that a pipe must take to be worth it. A user who has too many gets smaller ones
  // (pipe(7), /proc/sys/fs/pipe-user-pages-soft).
  static constexpr uint32_t kMinPipeBytes = 65536;

  // At most `max_pipes`, of `pipe_size_bytes` where the kernel allows it.
  PipePool(uint32_t max_pipes, uint32_t pipe_size_bytes)
      : max_pipes_(max_pipes), pipe_size_bytes_(pipe_size_bytes) {}
  PipePool(const PipePool&) = delete;
  PipePool& operator=(const PipePool&) = delete;
  // Every lease must be back.
  ~PipePool();

  // An empty pipe; or nothing, when all are out or the kernel gives none: then it is not asked
  // again for a second.
  PipeLease take(util::MonoTimeMs now_ms);

  // Why the kernel gives no more pipes (errno), told once when it begins to refuse; else 0.
  int take_refusal() { return std::exchange(untold_refusal_, 0); }

  uint32_t max_pipes() const { return max_pipes_; }
  uint32_t lent() const { return lent_; }
  // Pipes that are open, lent out or not.
  uint32_t open() const { return lent_ + static_cast<uint32_t>(idle_.size()); }

 private:
  friend class PipeLease;

  static constexpr util::MonoTimeMs kAskAgainMs = 1000;

  // Null when the kernel refuses.
  std::unique_ptr<Pipe> make_pipe();
  std::unique_ptr<Pipe> refuse(int error);
  void give_back(std::unique_ptr<Pipe> pipe);

  const uint32_t max_pipes_;
  const uint32_t pipe_size_bytes_;
  uint32_t lent_ = 0;
  util::MonoTimeMs refused_until_ms_ = 0;
  bool is_refused_ = false;
  int untold_refusal_ = 0;
  std::vector<std::unique_ptr<Pipe>> idle_;
};

inline void PipeLease::reset() {
  Pipe* const pipe = std::exchange(pipe_, nullptr);
  if (pipe != nullptr) pipe->pool_->give_back(std::unique_ptr<Pipe>(pipe));
}

}  // namespace lb::event
