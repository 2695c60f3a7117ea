// The simulated engine: operations on a SimNetwork's sockets in virtual time. Every result is a
// choice of the network's seeded generator: how many bytes, when, in which order, who wins a race
// with a cancel, whether there is a buffer. The same seed and the same owner give the same run.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "lb/event/engine.h"
#include "test/sim/sim_network.h"

namespace lb::sim {

class SimEngine final : public event::Engine {
 public:
  SimEngine(SimNetwork& network, const event::EngineOptions& options);
  ~SimEngine() override;

  std::string_view name() const override { return "simulated"; }

  void accept(event::AcceptOp& op, int listen_fd, bool many) override;
  void connect(event::ConnectOp& op, int fd, const net::Address& address) override;
  void recv(event::RecvOp& op, int fd, uint32_t max_bytes) override;
  void send(event::SendOp& op, int fd, std::span<const std::byte> bytes) override;
  void splice_in(event::RecvOp& op, int fd, uint32_t max_bytes) override;
  void splice_out(event::SendOp& op, int fd, event::Pipe& pipe) override;
  void poll(event::Op& op, int fd, uint32_t events) override;
  void cancel(event::Op& op) override;

  int open_stream_socket(int family) override;
  int set_stream_source(int fd, const net::StreamSource& source) override;
  void shutdown_write(int fd) override;
  void close(int fd, event::CloseMode mode) override;
  int64_t unacked_bytes(int fd) override;
  net::TcpState tcp_state(int fd) override;
  net::Address local_address(int fd) override;
  net::Address peer_address(int fd) override;
  int32_t peek(int fd, std::span<std::byte> out) override;
  void set_low_mark(int fd, uint32_t size_bytes) override;

  void post(Task task) override;
  void run_once(util::MonoTimeMs deadline_ms) override;

  // Called when the loop sleeps for ever: nothing is to happen, and time brings nothing either. By
  // default such a loop waits for a post().
  void set_stuck_handler(std::function<void()> handler) { stuck_handler_ = std::move(handler); }

  size_t in_flight() const { return flights_.size(); }

  // Which way the owner of a descriptor asked for its bytes, and how often it changed its mind.
  struct ModeCounts {
    uint64_t recvs = 0;
    uint64_t splices = 0;
    uint64_t to_splice = 0;  // a splice_in after a recv on the same descriptor
    uint64_t to_recv = 0;
    uint64_t polls = 0;
  };
  const ModeCounts& modes() const { return modes_; }
  // The operations in flight, for somebody who wonders why.
  std::string describe() const;

 private:
  using Ticket = uint64_t;

  // An operation under way. Events know it by its ticket, since its address may come back.
  struct Flight {
    event::Op* op = nullptr;
    bool is_decided = false;  // the result is fixed, its completion under way
    int32_t result = 0;
    bool is_starved = false;
    bool try_is_scheduled = false;
    uint64_t bytes_hash = 0;  // of what a send was given
  };

  Flight* flight_of(Ticket ticket);
  Ticket begin_flight(event::Op& op, event::Op::Kind kind, int fd);
  void check_alone(event::Op::Kind kind, int fd);
  void note_mode(int fd, bool is_splice);
  void try_soon(Ticket ticket);
  void try_all_of(int fd);
  // Does what can be done now; what cannot waits for the socket's observer.
  void attempt(Ticket ticket);
  void attempt_accept(Ticket ticket, event::AcceptOp& op);
  void attempt_recv(Ticket ticket, event::RecvOp& op);
  void attempt_send(Ticket ticket, event::SendOp& op);
  void attempt_splice_in(Ticket ticket, event::RecvOp& op);
  void attempt_splice_out(Ticket ticket, event::SendOp& op);
  void attempt_poll(Ticket ticket, event::Op& op);
  void decide(Ticket ticket, int32_t result);
  // Hands out the completion that is first on the descriptor: what a kernel does on one descriptor,
  // it does in an order, and tells in that order.
  void finish_next(int fd);
  static void poison(event::Op& op);

  util::MonoTimeMs next_turn_ms(util::MonoTimeMs deadline_ms);
  void run_posted();
  void serve_starved();
  void scribble_free_buffers();

  SimNetwork& network_;
  SimSchedule& schedule_;
  OpQueue in_flight_;  // an operation that dies while in it is noticed
  std::map<Ticket, Flight> flights_;
  std::deque<Ticket> starved_;
  std::map<int, std::deque<Ticket>> decided_;  // by descriptor
  Ticket last_ticket_ = 0;
  ModeCounts modes_;
  std::map<int, bool> last_was_splice_;  // by descriptor
  std::function<void()> stuck_handler_;

  std::mutex mutex_;  // guards posted_
  std::condition_variable has_posted_;
  std::vector<Task> posted_;
};

}  // namespace lb::sim
