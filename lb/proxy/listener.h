// One listening socket of one worker. Accepts as long as there is room, waits without burning the
// CPU or the log when there is none, and when it is removed takes in what the kernel has already
// accepted before it closes. One thread.
#pragma once

#include <functional>
#include <memory>

#include "lb/event/engine.h"
#include "lb/net/fd.h"
#include "lb/proxy/connection_table.h"
#include "lb/proxy/router.h"
#include "lb/proxy/worker_context.h"

namespace lb::proxy {

class Listener {
 public:
  static constexpr int kBacklog = 4096;

  // All but `fd` must outlive the listener. `fd` is a listening socket of its own.
  Listener(event::Engine& engine, ConnectionTable& table, AcceptRoom& room,
           const WorkerContext& context, net::UniqueFd fd);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  // Must be closed, or never started.
  ~Listener();

  // What it accepts goes to this listener of the router's snapshot from now on, what the kernel has
  // queued too. Starts to accept the first time.
  void serve(std::shared_ptr<Router> router, size_t index);

  // Takes no new clients from now on and accepts those that are queued. `on_drained` is called once
  // nobody has come for a while; close() is next, at leisure.
  void drain(std::function<void()> on_drained);
  // Closes the socket; who is still queued is reset. `on_closed` is called once, later, never from
  // inside this call.
  void close(std::function<void()> on_closed);

 private:
  // How long accepting waits for descriptors to come free.
  static constexpr util::MonoTimeMs kPauseMs = 100;
  // Draining ends when nobody has come for so long: handshakes under way get that time to end in
  // the accept queue, and a long queue gets as much as it takes. It is finite, since new handshakes
  // are not let in.
  static constexpr util::MonoTimeMs kDrainMs = 100;

  enum class State { kAccepting, kDraining, kClosing };

  void arm();
  void on_accept(event::Completion completion);
  void pause(const char* why);
  void on_timer();
  void finish();

  event::Engine& engine_;
  ConnectionTable& table_;
  AcceptRoom& room_;  // the worker's
  const WorkerContext& context_;
  net::UniqueFd fd_;
  event::AcceptOp accept_;
  event::Timer timer_;  // the end of a pause, or of draining
  std::shared_ptr<Router> router_;
  size_t index_ = 0;  // into its snapshot's listeners
  State state_ = State::kAccepting;
  bool has_accepted_ = false;  // since draining was last looked at
  std::function<void()> on_drained_;
  std::function<void()> on_closed_;
};

}  // namespace lb::proxy
