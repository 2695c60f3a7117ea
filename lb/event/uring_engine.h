// The engine on io_uring(7): operations go to the kernel in one batch a turn and come back as
// completions. Receives are one-shot, and take their buffers from a ring that the kernel empties
// and each turn tops up; accepts are multishot. Needs Linux 6.1 (IORING_SETUP_DEFER_TASKRUN).
#pragma once

#include <liburing.h>

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "lb/event/engine.h"
#include "lb/event/mailbox.h"
#include "lb/event/uring_buffers.h"
#include "lb/event/uring_receives.h"

namespace lb::event {

class UringEngine final : public Engine {
 public:
  // In the thread that will run it (IORING_SETUP_SINGLE_ISSUER). The error names what the kernel
  // denied.
  static absl::StatusOr<std::unique_ptr<Engine>> create(const EngineOptions& options);
  ~UringEngine() override;

  std::string_view name() const override { return "io_uring"; }

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
  // What a completion carries out of the shared ring, copied before any handler runs.
  struct Event {
    uint64_t user_data;
    int32_t result;
    uint32_t flags;
  };

  explicit UringEngine(const EngineOptions& options);
  absl::Status set_up();

  // A free entry of the submission queue, flushing a full one; null when the kernel takes no more
  // before completions are reaped.
  io_uring_sqe* free_entry();
  // Hands the operation to the kernel, or queues it until there is room.
  void arm(Op& op);
  // To be completed later in this turn.
  void hold(Op& op, int32_t result);
  // Arms it as a recv, or lets it wait behind those that wait for a buffer.
  void receive(RecvOp& op);
  // Asks the kernel to end what it has of a cancelled operation.
  void request_cancel(Op& op);
  // The kernel has not found what it was to cancel.
  void cancel_again(uint64_t name, int32_t result);
  void arm_mailbox();

  void enter(util::MonoTimeMs deadline_ms);
  void reap();
  void handle(const Event& event);
  void end_accept(AcceptOp& op, const Event& event);
  void end_recv(RecvOp& op, const Event& event);
  void take_in(const Event& event);
  void starve(RecvOp& op);
  // Arms a receive that stays so, if that pays and there is room.
  bool stay_armed(RecvOp& op);
  // Ends what is armed for receiving from a descriptor.
  void stop_receiving(int fd);
  // Asks the kernel to end what has this name of UringReceives.
  void stop(uint64_t name);
  void end_send(SendOp& op, const Event& event);
  void end_splice_wait(Op& op, const Event& event);
  // The ring would splice in a thread of its own (io_uring's splice always does), so the engine
  // splices itself, and asks the ring when a socket is ready.
  void try_later(Op& op);
  void run_splices();
  void try_splice(Op& op);
  // Operations that the engine holds itself: cancelled ones, and those waiting for room or buffers.
  void run_held();
  void top_up_buffers();

  io_uring ring_ = {};
  bool ring_is_open_ = false;
  Mailbox mailbox_;
  bool mailbox_is_armed_ = false;

  UringBuffers ring_buffers_;
  UringReceives receives_;
  std::vector<uint64_t> unstopped_;  // stop() found no room for these
  std::vector<int> hung_up_;         // receives may be armed there that do not know it

  OpQueue ready_;      // to be completed with their stored result
  OpQueue backlog_;    // to be armed, or cancelled, when there is room
  OpQueue cancelled_;  // the kernel has been asked to end these
  OpQueue starved_;    // receives that wait for a buffer
  OpQueue splices_;    // to be tried
};

}  // namespace lb::event
