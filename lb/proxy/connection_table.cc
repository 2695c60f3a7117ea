#include "lb/proxy/connection_table.h"

namespace lb::proxy {

ConnectionTable::ConnectionTable(event::Engine& engine, ConnectionBudget& budget,
                                 HandOver& hand_over, AccessLog& log, config::SpliceMode splice,
                                 uint64_t first_id)
    : engine_(engine),
      budget_(budget),
      hand_over_(hand_over),
      log_(log),
      splice_(splice),
      next_id_(first_id),
      closer_(engine, all_, first_id) {
  watch_timer_.bind<&ConnectionTable::watch_holding>(this);
}

ConnectionTable::~ConnectionTable() {
  LB_ASSERT(is_empty());
  engine_.timers().stop(watch_timer_);
}

void ConnectionTable::accept(int fd, const std::shared_ptr<Router>& router, size_t listener) {
  const Router::Choice choice = router->choose(listener);
  if (!choice.service) return refuse(fd, *router, listener, choice.refusal);
  if (!budget_.try_take()) return refuse(fd, *router, listener, CloseReason::kLimitProcess);
  if (hand_over_.offer(fd, *router, listener, *choice.service)) return;
  serve(fd, router, listener, *choice.service);
}

void ConnectionTable::serve(int fd, const std::shared_ptr<Router>& router, size_t listener,
                            size_t service) {
  router->listener_stats(listener).accepted.add();
  Connection* connection = connections_.create(*this, router, next_id_++, fd, listener, service);
  hand_over_.set_active(size());
  all_.push_back(*connection);
  connection->start();
}

void ConnectionTable::refuse(int fd, Router& router, size_t listener, CloseReason reason) {
  router.listener_stats(listener).accepted.add();
  router.listener_stats(listener).refused[static_cast<size_t>(reason)].add();
  if (log_.is_on()) {
    const ListenerSnapshot& snapshot = router.snapshot().listeners[listener];
    AccessRecord record;
    record.id = next_id_++;
    record.gateway = snapshot.gateway;
    record.listener = snapshot.name;
    if (snapshot.route) record.route = router.snapshot().routes[*snapshot.route].name;
    record.client = engine_.peer_address(fd);
    record.local = engine_.local_address(fd);
    record.reason = reason;
    record.engine = engine_.name();
    log_.write(record);
  }
  engine_.close(fd, event::CloseMode::kReset);
}

void ConnectionTable::close_all(CloseReason reason) {
  Connection* connection = all_.front();
  while (connection != nullptr) {
    Connection* const next = all_.next(*connection);
    connection->kill(reason);
    connection = next;
  }
}

void ConnectionTable::hold(Flow& flow) {
  holding_.push_back(flow);
  if (!watch_timer_.is_running()) {
    engine_.timers().start(watch_timer_, engine_.now_ms() + kWatchAfterMs);
  }
}

void ConnectionTable::watch_holding() {
  const util::MonoTimeMs now_ms = engine_.now_ms();
  for (Flow* flow = holding_.front(); flow != nullptr; flow = holding_.next(*flow)) {
    if (flow->holding_since_ms() > now_ms - kWatchAfterMs) break;
    flow->watch_source();
  }
  if (!holding_.empty()) engine_.timers().start(watch_timer_, now_ms + kWatchAfterMs);
}

void ConnectionTable::release(Connection& connection) {
  connection.count();
  if (log_.is_on()) log_.write(connection.record());
  connection.dialer_.hang_up(connection.close_mode());
  engine_.close(connection.fd(Side::kDownstream), connection.close_mode());
  closer_.forget(connection);
  connection.unlink();
  connections_.destroy(&connection);
  hand_over_.set_active(size());
  budget_.give_back();
  if (is_empty() && on_empty_) on_empty_();
}

}  // namespace lb::proxy
