// Finds a connection its server: picks an endpoint, connects to it, and asks for the next one when
// that fails, within the service's `retry`. Owns the socket to the server and the connection's
// place in the endpoint's count, from the attempt to hang_up(). Embedded in its connection; one
// thread.
//
// Each attempt is on another endpoint, so it ends when all have been tried once, however many
// attempts are left. The total timeout cuts the last attempt short.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "lb/balance/endpoint.h"
#include "lb/event/engine.h"
#include "lb/event/op.h"
#include "lb/proxy/close_reason.h"
#include "lb/util/clock.h"

namespace lb::proxy {

class Connection;

class Dialer {
 public:
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
  // Closes the socket, if there is one. Nothing is in flight on it.
  void hang_up(event::CloseMode mode);

  // -1 = none.
  int fd() const { return fd_; }
  uint32_t attempts() const { return static_cast<uint32_t>(tried_.size()); }
  // Of the last attempt; null before the first one.
  const balance::Endpoint* endpoint() const;
  bool has_ops_in_flight() const { return connect_.in_flight(); }

 private:
  void connect_to(uint32_t endpoint, int fd);
  // No descriptor: waits for one, or gives up.
  void wait_for_fd(int32_t error);
  void end_wait();
  void on_connected(event::Completion completion);
  void count_failure(int32_t error);
  util::MonoTimeMs total_deadline_ms() const;

  Connection* connection_ = nullptr;
  event::ConnectOp connect_;
  absl::InlinedVector<uint32_t, 4> tried_;  // endpoints; the last one is the current one
  util::MonoTimeMs deadline_ms_ = 0;        // of the attempt, or of the wait
  int fd_ = -1;
  bool waits_for_fd_ = false;
  std::optional<CloseReason> leaving_;
  // What the last attempt came to.
  CloseReason reason_ = CloseReason::kNoBackend;
};

}  // namespace lb::proxy
