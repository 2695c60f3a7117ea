// The seam to the kernel: one event loop of one thread that carries out operations and reports
// their completions. Nothing above this folder knows whether epoll, io_uring or a simulator is
// behind it.
//
// The contract, held against every implementation by test/event/engine_contract_test.cc:
//  1. Submitting never calls a handler and never fails: handlers run inside run_once() only, and
//     errors arrive as completions.
//  2. Every submitted operation gets exactly one final completion (`more == false`), a cancelled
//     one too: -ECANCELED, or its real result when that won the race.
//  3. An operation's memory is its owner's. It stays in place until the final completion starts;
//     from that moment, inside the handler already, the operation may be submitted again.
//  4. A result is >= 0 or -errno. send completes when everything was sent, or with an error.
//  5. recv completes once, with a leased buffer of up to `max_bytes`; 0 is FIN. Running out of
//     buffers is no error: the operation waits, first come first served, for a lease to return.
//     Between two receives an engine may take up to `max_bytes` ahead from the socket, so these
//     must not get smaller on a descriptor; close() treats what is ahead as unread.
//     splice_in is a recv that leaves the bytes in a leased pipe, as many as it takes; when no pipe
//     can be had, or an urgent byte lies in the way, it is a recv. splice_out is a send of what is
//     in a pipe. splice(2) has no MSG_NOSIGNAL: the process ignores SIGPIPE.
//  6. At most one recv and one send are in flight on a descriptor at a time.
//  7. accept takes one connection, or many until it is cancelled or fails; new sockets are
//     non-blocking and close-on-exec.
//  8. poll reports once that a descriptor is ready for one of `events` (poll(2) bits), or has an
//     error or hang-up, as a mask >= 0.
//  9. close() is no operation. It is called when nothing is in flight on the descriptor, since its
//     number may be given to another connection at once.
// 10. Only post() may be called from another thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "lb/event/buffer_pool.h"
#include "lb/event/op.h"
#include "lb/event/pipe_pool.h"
#include "lb/event/timer_wheel.h"
#include "lb/net/address.h"
#include "lb/net/socket.h"
#include "lb/util/clock.h"

namespace lb::event {

struct EngineOptions {
  uint32_t max_buffers = 32768;
  uint32_t buffer_size_bytes = 65536;
  uint32_t max_pipes = 0;  // 0 = bytes are never spliced
  uint32_t pipe_size_bytes = 262144;
  // io_uring only. The ring of lent buffers is used in order, so its length is the working set of
  // the cache; completions that find the completion queue full are kept by the kernel.
  uint32_t buffer_ring_entries = 64;
  uint32_t submission_entries = 1024;
  uint32_t completion_entries = 8192;
};

// What an engine counts about itself; plain numbers of its own thread.
struct EngineCounters {
  uint64_t turns = 0;
  uint64_t buffer_waits = 0;          // receives that had to wait for a buffer
  uint64_t completion_overflows = 0;  // turns that found the completion queue overflown
};

enum class CloseMode {
  kFin,    // what is written is still delivered, then FIN
  kReset,  // RST; what is written and not delivered is dropped
};

class Engine {
 public:
  using Task = absl::AnyInvocable<void()>;

  // `now_ms` is where the loop's clock starts: a simulator's is its own.
  Engine(const EngineOptions& options, util::MonoTimeMs now_ms);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  // No operation may be in flight.
  virtual ~Engine();

  // "io_uring", "epoll" or "simulated".
  virtual std::string_view name() const = 0;

  // Operations. See the contract above.
  virtual void accept(AcceptOp& op, int listen_fd, bool many) = 0;
  virtual void connect(ConnectOp& op, int fd, const net::Address& address) = 0;
  virtual void recv(RecvOp& op, int fd, uint32_t max_bytes) = 0;
  virtual void send(SendOp& op, int fd, std::span<const std::byte> bytes) = 0;
  virtual void splice_in(RecvOp& op, int fd, uint32_t max_bytes) = 0;
  virtual void splice_out(SendOp& op, int fd, Pipe& pipe) = 0;
  virtual void poll(Op& op, int fd, uint32_t events) = 0;
  // Asks an operation to end soon; its final completion follows. Nothing happens when it is not in
  // flight.
  virtual void cancel(Op& op) = 0;

  // Sockets, as far as the data path needs them: a simulator has its own. Errors are -errno.
  virtual int open_stream_socket(int family);
  // Before the connect: net::set_stream_source().
  virtual int set_stream_source(int fd, const net::StreamSource& source);
  virtual void shutdown_write(int fd);
  virtual void close(int fd, CloseMode mode);
  virtual int64_t unacked_bytes(int fd);
  virtual net::TcpState tcp_state(int fd);
  virtual net::Address local_address(int fd);
  virtual net::Address peer_address(int fd);
  // net::peek() and net::set_low_mark(). With a mark above 1 nothing may receive on the descriptor.
  virtual int32_t peek(int fd, std::span<std::byte> out);
  virtual void set_low_mark(int fd, uint32_t size_bytes);

  // Runs `task` in this loop's thread, soon. Thread-safe; may be called until the loop's owner
  // destroys the engine.
  virtual void post(Task task) = 0;

  // One turn: waits until something completes, a timer is due or `deadline_ms` has come, and runs
  // the handlers. Its steps are in ARCHITECTURE.md.
  virtual void run_once(util::MonoTimeMs deadline_ms) = 0;

  // The time at which this turn began to run handlers.
  util::MonoTimeMs now_ms() const { return now_ms_; }

  TimerWheel& timers() { return timers_; }
  BufferPool& buffers() { return buffers_; }
  PipePool& pipes() { return pipes_; }
  const EngineCounters& counters() const { return counters_; }

 protected:
  using OpQueue = util::IntrusiveList<Op, OpQueueTag>;

  // Marks an operation as under way.
  static void begin(Op& op, Op::Kind kind, int fd);
  // Hands out a completion; a final one ends the operation first.
  static void complete(Op& op, Completion completion);
  // When the loop must wake up at the latest, given its caller's deadline.
  util::MonoTimeMs wakeup_ms(util::MonoTimeMs deadline_ms) const;

  // Tries a splice_in: -EAGAIN when nothing is there, -ENOBUFS when there is no pipe.
  int32_t fill_pipe(RecvOp& op);
  // Tries what is left of a splice_out: -EAGAIN when the socket takes no more for now.
  static int32_t drain_pipe(SendOp& op);
  // Splices in one turn take about so much together, so that those who chat do not wait for long.
  bool may_splice() const { return spliced_in_turn_bytes_ < kSpliceBytesPerTurn; }
  void begin_turn();

  EngineOptions options_;
  util::MonoTimeMs now_ms_;
  TimerWheel timers_;
  BufferPool buffers_;
  PipePool pipes_;
  EngineCounters counters_;

 private:
  static constexpr uint32_t kSpliceBytesPerTurn = 1U << 20;
  static constexpr util::MonoTimeMs kTrimEveryMs = 100;

  void trim_buffers();

  Timer trim_timer_;  // runs while there is something to trim

  uint32_t spliced_in_turn_bytes_ = 0;
};

}  // namespace lb::event
