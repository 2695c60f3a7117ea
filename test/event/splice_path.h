// What the tests of splicing share: who splices in, who passes on, and what stops them.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lb/event/engine.h"
#include "test/event/contract_world.h"
#include "test/support/byte_stream.h"
#include "test/support/catch.h"

namespace lb::test {

inline std::unique_ptr<World> make_splice_world(const std::string& name, uint32_t max_pipes = 16,
                                                uint32_t pipe_size_bytes = 65536) {
  // splice(2) has no MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
  event::EngineOptions options;
  options.max_pipes = max_pipes;
  options.pipe_size_bytes = pipe_size_bytes;
  return World::make(name, options);
}

inline std::string bytes_of_stream(uint64_t seed, size_t size_bytes) {
  std::string text(size_bytes, '\0');
  ByteStream(seed).fill(std::as_writable_bytes(std::span(text)));
  return text;
}

// What a completed splice_in has brought, out of the pipe or the lease, which is then free.
inline std::string take_bytes(event::RecvOp& op) {
  std::string text;
  if (op.pipe.is_held()) {
    text.resize(op.pipe->held_bytes());
    REQUIRE(::read(op.pipe->read_fd(), text.data(), text.size()) ==
            static_cast<ssize_t>(text.size()));
    op.pipe->set_held_bytes(0);
    op.pipe.reset();
  } else if (op.lease.is_held()) {
    const auto got = op.lease.bytes();
    text.assign(reinterpret_cast<const char*>(got.data()), got.size());
    op.lease.reset();
  }
  return text;
}

// Splices in until the stream ends, and keeps the bytes.
class SpliceReceiver {
 public:
  SpliceReceiver(World& world, int fd, uint32_t max_bytes = UINT32_MAX)
      : recv(world), world_(world), fd_(fd), max_bytes_(max_bytes) {
    recv.then = [this](event::Completion completion) { on_recv(completion); };
  }

  void start() {
    if (takes_buffers) {
      world_.engine().recv(recv.op, fd_, max_bytes_);
    } else {
      world_.engine().splice_in(recv.op, fd_, max_bytes_);
    }
  }
  bool is_over() const { return end <= 0; }

  Recorder<event::RecvOp> recv;
  std::string bytes;
  int32_t end = 1;
  int pipes = 0;
  int leases = 0;
  int32_t biggest_lease = 0;
  bool takes_buffers = false;
  std::function<void()> before_next;

 private:
  void on_recv(event::Completion completion) {
    CHECK_FALSE((recv.op.pipe.is_held() && recv.op.lease.is_held()));
    if (completion.result <= 0) {
      CHECK_FALSE((recv.op.pipe.is_held() || recv.op.lease.is_held()));
      end = completion.result;
      return;
    }
    if (recv.op.pipe.is_held()) {
      ++pipes;
      CHECK(recv.op.pipe->held_bytes() == static_cast<uint32_t>(completion.result));
    } else {
      ++leases;
      biggest_lease = std::max(biggest_lease, completion.result);
      CHECK(recv.op.lease.bytes().size() == static_cast<size_t>(completion.result));
    }
    bytes += take_bytes(recv.op);
    if (before_next) before_next();
    start();
  }

  World& world_;
  int fd_;
  uint32_t max_bytes_;
};

// Everything from one descriptor to another, through pipes, then the FIN: what a flow does.
class SplicePath {
 public:
  SplicePath(World& world, int from, int to)
      : recv_(world), send_(world), world_(world), from_(from), to_(to) {
    recv_.then = [this](event::Completion completion) { on_recv(completion); };
    send_.then = [this](event::Completion completion) { on_sent(completion); };
  }

  void start() { world_.engine().splice_in(recv_.op, from_, UINT32_MAX); }
  bool is_over() const { return is_over_; }

  uint64_t passed_bytes = 0;
  uint64_t passed_in_turn = 0;
  int pipes = 0;

 private:
  void on_recv(event::Completion completion) {
    if (completion.result <= 0) {
      CHECK(completion.result == 0);
      is_over_ = true;
      world_.engine().shutdown_write(to_);
      return;
    }
    expected_ = completion.result;
    if (recv_.op.pipe.is_held()) {
      ++pipes;
      passed_in_turn += static_cast<uint64_t>(completion.result);
      world_.engine().splice_out(send_.op, to_, *recv_.op.pipe);
    } else {
      world_.engine().send(send_.op, to_, recv_.op.lease.bytes());
    }
  }

  void on_sent(event::Completion completion) {
    CHECK(completion.result == expected_);
    if (recv_.op.pipe.is_held()) CHECK(recv_.op.pipe->held_bytes() == 0);
    recv_.op.pipe.reset();
    recv_.op.lease.reset();
    passed_bytes += static_cast<uint64_t>(std::max(completion.result, 0));
    start();
  }

  Recorder<event::RecvOp> recv_;
  Recorder<event::SendOp> send_;
  World& world_;
  int from_;
  int to_;
  int32_t expected_ = 0;
  bool is_over_ = false;
};

// A pipe with bytes in it, the way they usually come.
inline void fill_pipe(World& world, int fd, Peer& peer, Recorder<event::RecvOp>& recv,
                      const std::string& text) {
  world.write_all(peer, text);
  world.engine().splice_in(recv.op, fd, UINT32_MAX);
  REQUIRE(world.run_until([&] { return recv.is_done(); }));
  REQUIRE(recv.op.pipe.is_held());
}

// Sends until the socket takes no more; how much it took.
inline uint64_t clog(World& world, int fd) {
  Recorder<event::SendOp> send(world);
  const std::vector<std::byte> bytes(kBlockingBytes);
  world.engine().send(send.op, fd, bytes);
  uint32_t before = 0;
  do {
    before = send.op.sent_bytes;
    world.settle();
  } while (send.op.sent_bytes != before);
  world.engine().cancel(send.op);
  REQUIRE(world.run_until([&] { return send.is_done(); }));
  REQUIRE(send.result() == -ECANCELED);
  uint64_t sent_bytes = send.op.sent_bytes;
  // The kernel tells of room when there is a good deal of it; a splice would find less.
  for (int round = 0; round < 5 && !world.is_simulated(); ++round) {
    ssize_t sent = 0;
    while ((sent = ::send(fd, bytes.data(), 65536, MSG_NOSIGNAL)) > 0) {
      sent_bytes += static_cast<uint64_t>(sent);
    }
    world.settle();
  }
  return sent_bytes;
}

// Each byte in a segment of its own, and apart in memory: the kernel gives one thread's bytes out
// of one page, whatever their socket, and takes neighbours for one segment again.
inline void write_bytewise(World& world, Peer& peer, std::string_view text) {
  auto [decoy_fd, decoy] = world.make_pair();
  for (size_t i = 0; i < text.size(); ++i) {
    while (peer.write(text.substr(i, 1)) != 1) world.turn();
    decoy->write("d");
  }
  world.engine().close(decoy_fd, event::CloseMode::kReset);
  REQUIRE(world.run_until([&] { return peer.unacked() == 0; }));
}

}  // namespace lb::test
