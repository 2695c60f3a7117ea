// The time until a client's ClientHello is known, or known not to come. The bytes stay with the
// kernel, so whoever reads them afterwards finds them all. Made by connections of services whose
// header tells something of it, at the start, beside the dial; nothing is read from the client
// meanwhile. One thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lb/event/op.h"
#include "lb/event/timer_wheel.h"
#include "lb/proxy/tls_facts.h"
#include "lb/util/clock.h"

namespace lb::proxy {

class Connection;

class HelloWait {
 public:
  // So long it lasts for a client that says nothing, or not all: perhaps its server speaks first.
  static constexpr util::MonoTimeMs kLimitMs = 5'000;

  explicit HelloWait(Connection& connection);
  HelloWait(const HelloWait&) = delete;
  HelloWait& operator=(const HelloWait&) = delete;
  // Nothing may be in flight.
  ~HelloWait();

  // Once. Connection::on_hello() follows, not from here, unless it is given up: when the hello is
  // whole, when what comes is none, when the client has ended or reset, or at the limit.
  void begin();
  // The limit has come.
  void hurry();
  // Nobody waits for it any more.
  void give_up();

  bool is_over() const { return is_over_; }
  bool has_ops_in_flight() const { return poll_.in_flight(); }
  const TLSFacts& facts() const { return facts_; }

 private:
  // How soon to look again after the kernel has woken for fewer bytes than it was asked for.
  static constexpr util::MonoTimeMs kLookAgainMs = 10;

  void poll();
  void on_poll(event::Completion completion);
  void on_timer();
  // Looks at what has come; whether there is nothing to wait for any more.
  bool look();
  void finish();

  Connection& connection_;
  event::Op poll_;
  event::Timer timer_;  // of the limit, or of looking again
  util::MonoTimeMs deadline_ms_ = 0;
  size_t needed_bytes_ = 1;  // as the socket's low mark
  size_t seen_bytes_ = 0;
  bool is_over_ = false;
  TLSFacts facts_;
};

}  // namespace lb::proxy
