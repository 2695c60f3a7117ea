// The engine on epoll(7). Each descriptor is registered once, edge-triggered, for everything;
// readiness is latched per descriptor, and an operation whose latch is set is tried in the turn's
// run phase. Never more than kOpsPerFdAndTurn of one descriptor in a turn, so that one fat flow
// cannot starve the others.
#pragma once

#include <vector>

#include "lb/event/engine.h"
#include "lb/event/mailbox.h"
#include "lb/net/fd.h"

namespace lb::event {

class EpollEngine final : public Engine {
 public:
  // Throws std::system_error when the kernel has no descriptor left for it.
  explicit EpollEngine(const EngineOptions& options);
  ~EpollEngine() override;

  std::string_view name() const override { return "epoll"; }

  void accept(AcceptOp& op, int listen_fd, bool many) override;
  void connect(ConnectOp& op, int fd, const net::Address& address) override;
  void recv(RecvOp& op, int fd, uint32_t max_bytes) override;
  void send(SendOp& op, int fd, std::span<const std::byte> bytes) override;
  void splice_in(RecvOp& op, int fd, uint32_t max_bytes) override;
  void splice_out(SendOp& op, int fd, Pipe& pipe) override;
  void poll(Op& op, int fd, uint32_t events) override;
  void cancel(Op& op) override;
  void close(int fd, CloseMode mode) override;
  void post(Task task) override { mailbox_.post(std::move(task)); }
  void run_once(util::MonoTimeMs deadline_ms) override;

 private:
  static constexpr uint32_t kOpsPerFdAndTurn = 16;
  static constexpr int kAcceptsPerTurn = 64;

  // What is known about one descriptor number.
  struct Slot {
    Op* reader = nullptr;  // the accept or recv in flight
    Op* writer = nullptr;  // the connect or send in flight
    Op* poller = nullptr;
    uint32_t generation = 0;  // of the number; events of an earlier one are stale
    uint32_t turn = 0;        // for which ops_in_turn counts
    uint16_t ops_in_turn = 0;
    bool registered = false;
    bool readable = false;
    bool writable = false;
    bool hung_up = false;  // no further edge will announce what can still be read
    // An urgent byte has come: a splice stops before it for good, a recv goes past it (tcp(7),
    // SIOCATMARK).
    bool urgent = false;
  };

  // The place in a slot that an operation of this kind takes.
  static Op*& place_of(Slot& slot, const Op& op);

  Slot& slot_of(int fd);
  int register_fd(int fd);
  // Takes an operation in; it is tried in this turn when it is `ready`.
  void submit(Op& op, bool ready);
  void enqueue(Op& op);
  void finish(Op& op, int32_t result);

  int wait(util::MonoTimeMs deadline_ms);
  void latch(uint64_t data, uint32_t events);
  void run_queue();
  bool over_budget(Slot& slot);
  void run(Op& op);
  void run_accept(AcceptOp& op);
  void run_connect(ConnectOp& op);
  void run_recv(RecvOp& op);
  void run_send(SendOp& op);
  void run_splice_in(RecvOp& op);
  void run_splice_out(SendOp& op);
  void run_poll(Op& op);

  net::UniqueFd epoll_fd_;
  Mailbox mailbox_;
  bool mail_has_come_ = false;
  std::vector<Slot> slots_;  // by descriptor number
  OpQueue ready_;            // to be tried in this turn
  OpQueue postponed_;        // over their budget: the next turn
  OpQueue starved_;          // receives that wait for a buffer
};

}  // namespace lb::event
