// The connections of one worker: where they are made, found and destroyed. Works on any engine, so
// that a simulation runs the same code. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "lb/event/engine.h"
#include "lb/proxy/access_log.h"
#include "lb/proxy/connection.h"
#include "lb/proxy/connection_budget.h"
#include "lb/proxy/endpoint_closer.h"
#include "lb/proxy/hand_over.h"
#include "lb/proxy/router.h"
#include "lb/util/slab.h"

namespace lb::proxy {

class ConnectionTable {
 public:
  // All must outlive the table. `first_id` differs from worker to worker.
  ConnectionTable(event::Engine& engine, ConnectionBudget& budget, HandOver& hand_over,
                  AccessLog& log, config::SpliceMode splice, uint64_t first_id);
  ConnectionTable(const ConnectionTable&) = delete;
  ConnectionTable& operator=(const ConnectionTable&) = delete;
  // Must be empty.
  ~ConnectionTable();

  // Takes over a socket that a listener has accepted, an index into the listeners of `router`'s
  // snapshot: relays it, refuses it, or hands it to another worker. The connection keeps to this
  // router to its end, or to the other worker's of the same snapshot.
  void accept(int fd, const std::shared_ptr<Router>& router, size_t listener);
  // Relays a connection that has its place in the budget and its route, an index into the services
  // of `router`'s snapshot.
  void serve(int fd, const std::shared_ptr<Router>& router, size_t listener, size_t service);

  // Ends every connection. They are gone when is_empty() says so, some turns later.
  void close_all(CloseReason reason);

  // Ends those of endpoints that have gone.
  EndpointCloser& closer() { return closer_; }
  // Called whenever connects to an endpoint have failed as often in a row as its service bears.
  void set_on_endpoint_failing(
      std::function<void(std::shared_ptr<balance::Endpoint>)> on_endpoint_failing) {
    on_endpoint_failing_ = std::move(on_endpoint_failing);
  }

  size_t size() const { return connections_.size(); }
  bool is_empty() const { return connections_.size() == 0; }
  // Called when a connect to an endpoint of a service finds nothing to come from, and why.
  using OnNoSource = std::function<void(const std::string& service, const std::string& endpoint,
                                        std::string_view why)>;
  void set_on_no_source(OnNoSource on_no_source) { on_no_source_ = std::move(on_no_source); }
  // Called whenever the last connection has gone.
  void set_on_empty(std::function<void()> on_empty) { on_empty_ = std::move(on_empty); }

 private:
  friend class Connection;

  // How long a flow may hold bytes before its source is watched for a reset.
  static constexpr util::MonoTimeMs kWatchAfterMs = 250;

  void refuse(int fd, Router& router, size_t listener, CloseReason reason);
  void hold(Flow& flow);
  void watch_holding();
  void release(Connection& connection);

  event::Engine& engine_;
  ConnectionBudget& budget_;
  HandOver& hand_over_;
  AccessLog& log_;
  const config::SpliceMode splice_;
  uint64_t next_id_;
  util::Slab<Connection> connections_;
  util::IntrusiveList<Connection, ConnectionTag> all_;
  util::IntrusiveList<Flow, HoldingTag> holding_;  // since longest first
  event::Timer watch_timer_;
  EndpointCloser closer_;
  std::function<void()> on_empty_;
  OnNoSource on_no_source_;
  std::function<void(std::shared_ptr<balance::Endpoint>)> on_endpoint_failing_;
};

}  // namespace lb::proxy
