// Finds a connection its server: picks an endpoint, connects to it, and asks for the next one when
// that fails, within the service's `retry`. Owns the socket to the server and the connection's
// places in the counts of the endpoint and of the service, from the attempt to hang_up(). Embedded
// in its connection; one thread.
//
// Each attempt is on another endpoint, so it ends when all have been tried once, however many
// attempts are left. The total timeout cuts the last attempt short. An endpoint that has as many
// connections as it may is passed over, which is no attempt. When all are full the connection waits
// in the service's queue (pending_queue.h), up to `pendingTimeout` in all and apart from the total
// timeout, or is refused; while it waits it has no place in any count.
//
// An attempt that finds its source address without a free port goes on from the service's next one.
// When all have none it has failed, which says nothing of the endpoint: the next one is another
// destination, towards which ports may be free.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "lb/balance/endpoint.h"
#include "lb/balance/load_balancer.h"
#include "lb/balance/pending_queue.h"
#include "lb/balance/service_slots.h"
#include "lb/event/engine.h"
#include "lb/event/op.h"
#include "lb/proxy/close_reason.h"
#include "lb/proxy/source_pool.h"
#include "lb/proxy/stats.h"
#include "lb/util/clock.h"

namespace lb::proxy {

class Connection;

class Dialer {
 public:
  Dialer();
  ~Dialer();

  // Bound once, by the connection that embeds it.
  void bind(Connection& connection);

  // Begins the next attempt. What comes of it, at once or later, is Connection::on_dialed() or
  // on_dial_failed().
  void dial();
  // Ends the attempt under way, if there is one, and goes on to the next: its endpoint has gone,
  // for this reason.
  void leave(CloseReason reason);
  // Makes no more attempts, and ends the one under way.
  void give_up();
  // The connection's timer has fired while it is connecting.
  void on_timer();
  // Closes the socket, if there is one, and gives up its places. Nothing is in flight on it.
  void hang_up(event::CloseMode mode);

  // -1 = none.
  int fd() const { return fd_; }
  uint32_t attempts() const { return static_cast<uint32_t>(tried_.size()); }
  // Of the last attempt; null before the first one.
  const balance::Endpoint* endpoint() const;
  bool has_ops_in_flight() const { return connect_.in_flight() || is_pending(); }

 private:
  class Wait;
  using Endpoints = std::vector<balance::WeightedEndpoint>;

  // What looking for an endpoint with room comes to.
  enum class Found { kRoom, kFull, kNobody };

  // Counts the connection in at the service and at the endpoint that `next` then is.
  Found take_room(uint32_t& next);
  // The next choice among those that are not excluded.
  uint32_t pick(std::span<const uint32_t> excluded);
  // The same as take_room() at an endpoint only, when the first choice is found to be full.
  uint32_t take_other_room(uint32_t full);
  balance::PendingQueue::Wish wish() const;
  balance::PendingQueue& pending() const;
  bool is_pending() const;
  void wait_for_room();
  void on_granted();
  // Whether it waited for room and does so no more.
  bool try_leave();
  // At an endpoint where it is counted in.
  void connect_to(uint32_t endpoint);
  // From the next source of the service's; the socket is new.
  void connect();
  // The attempt has failed before its connect, which on_failed() is told by the timer.
  void fail_early(int32_t error);
  // 0, or -errno when there is no source left.
  int32_t take_source();
  // The same endpoint once more, from the next source; false when there is none.
  bool connect_again();
  // The same once more a little later, for the server's queue is full; false when there is no time.
  bool wait_for_backlog();
  void end_wait_for_backlog();
  // What leave() was called for.
  void go_on_elsewhere();
  // Before its socket is closed.
  void release_source();
  SourceStats& source_stats() const;  // of source_
  // No descriptor: waits for one, or gives up.
  void wait_for_fd(int32_t error);
  void end_wait_for_fd();
  void on_connected(event::Completion completion);
  void on_failed(int32_t error);
  // The endpoint has failed once more in a row.
  void count_failure();
  // Ends the attempt; the slot of the service stays for the next one.
  void disconnect(event::CloseMode mode);
  // The connection is counted no more: at an endpoint, and at the service, if it was. Whoever waits
  // is told.
  void give_back(uint32_t endpoint);
  void give_back_slot(const balance::Endpoint* last);
  util::MonoTimeMs total_deadline_ms() const;

  Connection* connection_ = nullptr;
  std::unique_ptr<Wait> wait_;  // kept when it is over, for how long it was
  event::ConnectOp connect_;
  absl::InlinedVector<uint32_t, 4> tried_;    // endpoints; the last one is the current one
  util::MonoTimeMs deadline_ms_ = 0;          // of the attempt, or of a wait
  SourcePool::Turn source_turn_;              // of the attempt
  uint16_t source_ = SourcePool::kNoAddress;  // that the socket has: its index in the pool
  int16_t early_error_ = 0;                   // why the attempt has no connect: -errno
  int fd_ = -1;
  balance::ServiceSlots::Slot slot_ = balance::ServiceSlots::Slot::kNone;
  bool waits_for_fd_ = false;
  bool waits_for_backlog_ = false;
  std::optional<CloseReason> leaving_;
  // What the last attempt came to.
  CloseReason reason_ = CloseReason::kNoBackend;
};

}  // namespace lb::proxy
