// What the contract tests need of an engine's surroundings, so that one test body runs on every
// implementation: connected pairs with a far end for the test, listeners, addresses that refuse or
// stay silent, and turns of the loop until something holds. Real engines live on loopback TCP, the
// simulated one in its own network.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lb/event/engine.h"
#include "test/support/catch.h"

namespace lb::test {

// Enough that no socket takes it all at once.
constexpr size_t kBlockingBytes = 50'000'000;

// The far end of a connection. Non-blocking: results are >= 0 or -errno.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual ssize_t write(std::span<const std::byte> bytes) = 0;
  virtual ssize_t read(std::span<std::byte> bytes) = 0;
  virtual size_t unacked() = 0;  // written, and not with the engine's side yet
  virtual void finish() = 0;
  virtual void reset() = 0;
  virtual void close() = 0;

  ssize_t write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
};

class World {
 public:
  // "epoll", "io_uring" or "simulated".
  static std::unique_ptr<World> make(const std::string& name,
                                     const event::EngineOptions& options = {});
  virtual ~World() = default;

  virtual event::Engine& engine() = 0;
  bool is_simulated() { return engine().name() == "simulated"; }

  struct Pair {
    int fd = -1;
    std::unique_ptr<Peer> peer;
  };
  // A connection: the engine's descriptor and its far end.
  virtual Pair make_pair() = 0;
  virtual int make_listener(int backlog) = 0;
  virtual net::Address address_of(int listen_fd) = 0;
  virtual std::unique_ptr<Peer> dial(int listen_fd) = 0;
  virtual net::Address refusing_address() = 0;
  virtual net::Address silent_address() = 0;
  // At most so many more descriptors until allow_fds().
  virtual void limit_fds(size_t more) = 0;
  virtual void allow_fds() = 0;
  // Time as a stop watch sees it.
  virtual util::MonoTimeMs clock_ms() = 0;

  // Turns the loop until the condition holds; false when it does not in good time.
  bool run_until(const std::function<bool()>& condition);
  // Turns the loop for so long.
  void run_for(util::MonoTimeMs duration_ms);
  // Turns it until what can happen by itself has happened.
  void settle();
  // One turn that does not wait for long.
  void turn(util::MonoTimeMs at_most_ms = 5);
  // Handlers run inside a turn only, and never inside each other.
  void enter_handler();
  void leave_handler();

  // Sends all of it from the far end, and waits until it is with the engine's side.
  void write_all(Peer& peer, std::string_view text);
  // Reads so many bytes at the far end.
  std::string read_exactly(Peer& peer, size_t size_bytes);
  // What the far end reads at the end of the stream: 0 or -errno. Bytes before it are dropped.
  ssize_t read_end(Peer& peer);

 private:
  bool is_running_ = false;
  bool is_in_handler_ = false;
};

// The implementations to be held to the contract: io_uring is left out, with a printed line, only
// where the kernel refuses it. SLUICE_ENGINE names one.
std::vector<std::string> contract_engines();

// An operation that writes down how it ended.
template <typename OpType>
class Recorder {
 public:
  explicit Recorder(World& world) : world_(world) { op.template bind<&Recorder::on_end>(this); }

  bool is_done() const { return finals > 0 && !op.in_flight(); }
  int32_t result() const { return results.empty() ? -1 : results.back(); }

  OpType op;
  std::vector<int32_t> results;
  int finals = 0;
  std::function<void(event::Completion)> then;

 private:
  void on_end(event::Completion completion) {
    world_.enter_handler();
    CHECK(op.in_flight() == completion.more);
    results.push_back(completion.result);
    if (!completion.more) ++finals;
    if (then) then(completion);
    world_.leave_handler();
  }

  World& world_;
};

// Receives until the stream ends, and keeps the bytes.
class Receiver {
 public:
  Receiver(World& world, int fd, uint32_t max_bytes = UINT32_MAX);

  void start();
  // The end of the stream, 0 or -errno, has been seen.
  bool is_over() const { return !is_going_; }

  Recorder<event::RecvOp> recv;
  std::string bytes;
  int32_t end = 1;
  uint32_t biggest = 0;
  // Called with each lease, in its place: who keeps it must take it.
  std::function<void(event::BufferLease&)> on_bytes;

 private:
  void on_recv(event::Completion completion);

  World& world_;
  int fd_;
  uint32_t max_bytes_;
  bool is_going_ = true;
};

}  // namespace lb::test

// Runs the rest of a TEST_CASE once for each implementation.
#define SLUICE_EACH_CONTRACT_ENGINE() GENERATE(from_range(lb::test::contract_engines()))
