#include "lb/proxy/dialer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "lb/proxy/connection.h"

namespace lb::proxy {
namespace {

// How soon a connection that found no descriptor tries again.
constexpr util::MonoTimeMs kDialAgainMs = 50;

// How soon a connect that found the queue of a unix socket full is tried again.
constexpr util::MonoTimeMs kConnectAgainMs = 10;

CloseReason reason_of_connect_error(int32_t error) {
  switch (-error) {
    case ECONNREFUSED:
      return CloseReason::kConnectRefused;
    case ETIMEDOUT:
    case ECANCELED:  // by the connect timeout
      return CloseReason::kConnectTimeout;
    default:
      return CloseReason::kConnectFailed;
  }
}

// What this host has none left of, for whichever endpoint.
bool is_shortage(int32_t error) {
  switch (-error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return true;
    default:
      return false;
  }
}

// Whether a failed attempt says something of the endpoint. A family of addresses that this host
// does not have does: nobody here will ever reach it.
bool is_endpoints_fault(int32_t error) {
  return error != -EADDRINUSE && error != -EADDRNOTAVAIL && !is_shortage(error);
}

}  // namespace

using Slot = balance::ServiceSlots::Slot;

// Its place in the service's queue.
class Dialer::Wait final : public balance::PendingQueue::Waiter {
 public:
  Wait(Dialer& dialer, event::Engine& engine, const balance::PendingQueue::Wish& wish)
      : Waiter(wish), begin_ms(engine.now_ms()), dialer_(dialer), engine_(engine) {}

  const util::MonoTimeMs begin_ms;
  int64_t waited_ms = 0;  // once it is over; with the waits before it
  bool is_over = false;

 protected:
  void on_granted() override {
    engine_.post([&dialer = dialer_] { dialer.on_granted(); });
  }

 private:
  Dialer& dialer_;
  event::Engine& engine_;
};

Dialer::Dialer() = default;
Dialer::~Dialer() = default;

void Dialer::bind(Connection& connection) {
  connection_ = &connection;
  connect_.bind<&Dialer::on_connected>(this);
}

const balance::Endpoint* Dialer::endpoint() const {
  if (tried_.empty()) return nullptr;
  return connection_->service().endpoints[tried_.back()].endpoint.get();
}

util::MonoTimeMs Dialer::total_deadline_ms() const {
  const util::MonoTimeMs deadline_ms =
      connection_->accepted_ms() + connection_->service().policy.retry_total_timeout_ms;
  return wait_ ? deadline_ms + wait_->waited_ms : deadline_ms;
}

balance::PendingQueue& Dialer::pending() const {
  return connection_->service().endpoints.front().endpoint->service().pending();
}

balance::PendingQueue::Wish Dialer::wish() const {
  const ServiceSnapshot& service = connection_->service();
  return {&service.endpoints, tried_, service.policy.panic_threshold_percent,
          connection_->worker()};
}

void Dialer::dial() {
  const ServiceSnapshot& service = connection_->service();
  if (tried_.size() >= service.policy.retry_max_attempts || service.endpoints.empty() ||
      connection_->engine().now_ms() >= total_deadline_ms()) {
    return connection_->on_dial_failed(reason_);
  }
  // Who comes while others wait goes behind them.
  if (!pending().is_empty()) return wait_for_room();
  uint32_t next = balance::kNoEndpoint;
  switch (take_room(next)) {
    case Found::kRoom:
      return connect_to(next);
    case Found::kFull:
      if (service.policy.circuit_breaker.max_pending > 0) return wait_for_room();
      return connection_->on_dial_failed(CloseReason::kLimitEndpoint);
    case Found::kNobody:
      return connection_->on_dial_failed(reason_);
  }
}

Dialer::Found Dialer::take_room(uint32_t& next) {
  const Endpoints& endpoints = connection_->service().endpoints;
  if (slot_ == Slot::kNone) {
    slot_ = endpoints.front().endpoint->service().slots().try_take(connection_->worker());
  }
  if (slot_ == Slot::kNone) {
    return balance::PendingQueue::is_worth_waiting(wish()) ? Found::kFull : Found::kNobody;
  }
  next = pick(tried_);
  if (next == balance::kNoEndpoint) return Found::kNobody;
  if (endpoints[next].endpoint->try_add_active()) return Found::kRoom;
  next = take_other_room(next);
  if (next != balance::kNoEndpoint) return Found::kRoom;
  return balance::PendingQueue::is_worth_waiting(wish()) ? Found::kFull : Found::kNobody;
}

uint32_t Dialer::pick(std::span<const uint32_t> excluded) {
  return connection_->router().pick(
      connection_->service_index(),
      {excluded, connection_->engine().now_ms(), connection_->known_client()});
}

uint32_t Dialer::take_other_room(uint32_t full) {
  const Endpoints& endpoints = connection_->service().endpoints;
  std::vector<uint32_t> excluded(tried_.begin(), tried_.end());
  uint32_t next = full;
  do {
    excluded.push_back(next);
    // All of them at once: asking for one after the other takes as many choices as there are.
    for (uint32_t i = 0; i < endpoints.size(); ++i) {
      if (i != next && !endpoints[i].endpoint->has_room()) excluded.push_back(i);
    }
    next = pick(excluded);
  } while (next != balance::kNoEndpoint && !endpoints[next].endpoint->try_add_active());
  return next;
}

void Dialer::wait_for_room() {
  const config::CircuitBreaker& breaker = connection_->service().policy.circuit_breaker;
  event::Engine& engine = connection_->engine();
  const int64_t waited_ms = wait_ ? wait_->waited_ms : 0;
  const int64_t left_ms = breaker.pending_timeout_ms - waited_ms;
  auto wait = std::make_unique<Wait>(*this, engine, wish());
  wait->waited_ms = waited_ms;
  Found found = Found::kFull;
  uint32_t next = balance::kNoEndpoint;
  const auto is_settled = [&] {
    found = take_room(next);
    return found != Found::kFull;
  };
  switch (pending().enter(*wait, left_ms > 0 ? breaker.max_pending : 0, is_settled)) {
    case balance::PendingQueue::Entry::kNeedless:
      if (found == Found::kRoom) return connect_to(next);
      return connection_->on_dial_failed(reason_);
    case balance::PendingQueue::Entry::kRefused:
      return connection_->on_dial_failed(CloseReason::kLimitEndpoint);
    case balance::PendingQueue::Entry::kWaiting:
      break;
  }
  wait_ = std::move(wait);
  end_wait_for_fd();
  deadline_ms_ = engine.now_ms() + left_ms;
  connection_->wake_by(deadline_ms_);
  give_back_slot(nullptr);
}

void Dialer::on_granted() {
  const balance::PendingQueue::Grant grant = pending().collect(*wait_);
  wait_->waited_ms += connection_->engine().now_ms() - wait_->begin_ms;
  wait_->is_over = true;
  slot_ = grant.slot;
  if (connection_->is_connecting()) {
    grant.endpoint == balance::kNoEndpoint ? dial() : connect_to(grant.endpoint);
  } else if (grant.endpoint != balance::kNoEndpoint) {
    give_back(grant.endpoint);
  }
  connection_->settle();
}

void Dialer::connect_to(uint32_t endpoint) {
  const ServiceSnapshot& service = connection_->service();
  event::Engine& engine = connection_->engine();
  const net::Address& address = service.endpoints[endpoint].endpoint->address();
  const int fd = engine.open_stream_socket(address.family());
  if (is_shortage(fd)) {
    give_back(endpoint);
    give_back_slot(service.endpoints[endpoint].endpoint.get());
    return wait_for_fd(fd);
  }
  end_wait_for_fd();
  if (!tried_.empty()) {
    connection_->router().service_stats(connection_->service_index()).retries.add();
  }
  tried_.push_back(endpoint);
  if (fd < 0) {
    give_back(endpoint);
    return fail_early(fd);
  }
  fd_ = fd;
  source_turn_ = {};
  deadline_ms_ = std::min(engine.now_ms() + service.policy.connect_timeout_ms, total_deadline_ms());
  connection_->wake_by(deadline_ms_);
  connect();
}

void Dialer::connect() {
  const int32_t error = take_source();
  if (error < 0) return fail_early(error);
  connection_->engine().connect(connect_, fd_, endpoint()->address());
}

void Dialer::fail_early(int32_t error) {
  early_error_ = static_cast<int16_t>(error);
  // Told by the timer and not from here: the way from endpoint to endpoint is no recursion.
  deadline_ms_ = connection_->engine().now_ms();
  connection_->wake_by(deadline_ms_);
}

int32_t Dialer::take_source() {
  SourcePool& pool = connection_->router().source_pool(connection_->service_index());
  if (!pool.is_used()) return 0;
  int32_t error = -EADDRNOTAVAIL;
  while (const auto choice =
             pool.next(source_turn_, endpoint()->address(), connection_->client_address())) {
    error = connection_->engine().set_stream_source(fd_, choice->source);
    if (error < 0) continue;
    source_ = choice->index;
    if (source_ != SourcePool::kNoAddress) source_stats().opened.add();
    return 0;
  }
  return error;
}

bool Dialer::connect_again() {
  if (!connection_->router().source_pool(connection_->service_index()).is_used()) return false;
  // The timer may have fired in this turn, and nothing would end what begins now.
  if (connection_->engine().now_ms() >= deadline_ms_) return false;
  // A socket keeps the address that it was bound to.
  const int fd = connection_->engine().open_stream_socket(endpoint()->address().family());
  if (fd < 0) return false;
  release_source();
  connection_->engine().close(std::exchange(fd_, fd), event::CloseMode::kReset);
  if (take_source() < 0) return false;
  connection_->engine().connect(connect_, fd_, endpoint()->address());
  return true;
}

// A unix socket tells at once what over TCP is a SYN that gets no answer, and is sent again.
bool Dialer::wait_for_backlog() {
  const util::MonoTimeMs now_ms = connection_->engine().now_ms();
  if (now_ms >= deadline_ms_) return false;
  waits_for_backlog_ = true;
  connection_->wake_by(std::min(now_ms + kConnectAgainMs, deadline_ms_));
  return true;
}

void Dialer::end_wait_for_backlog() {
  waits_for_backlog_ = false;
  if (leaving_) return go_on_elsewhere();
  if (connection_->engine().now_ms() >= deadline_ms_) return on_failed(-ETIMEDOUT);
  connection_->engine().connect(connect_, fd_, endpoint()->address());
  connection_->wake_by(deadline_ms_);
}

SourceStats& Dialer::source_stats() const {
  return connection_->router().source_stats(connection_->service_index(), source_);
}

void Dialer::wait_for_fd(int32_t error) {
  const bool may_pass = error == -EMFILE || error == -ENFILE;
  if (!may_pass || (!waits_for_fd_ && !connection_->budget().try_wait())) {
    return connection_->on_dial_failed(CloseReason::kOutOfResources);
  }
  waits_for_fd_ = true;
  reason_ = CloseReason::kOutOfResources;
  deadline_ms_ = connection_->engine().now_ms() + kDialAgainMs;
  connection_->wake_by(deadline_ms_);
}

void Dialer::end_wait_for_fd() {
  if (std::exchange(waits_for_fd_, false)) connection_->budget().end_wait();
}

bool Dialer::is_pending() const { return wait_ != nullptr && !wait_->is_over; }

bool Dialer::try_leave() {
  // A grant that is on its way comes, and finds out.
  if (!is_pending() || !pending().leave(*wait_)) return false;
  wait_->is_over = true;
  return true;
}

void Dialer::leave(CloseReason reason) {
  if (!connect_.in_flight() && !waits_for_backlog_) return;
  leaving_ = reason;
  connection_->engine().cancel(connect_);
}

void Dialer::give_up() {
  end_wait_for_fd();
  try_leave();
  connection_->engine().cancel(connect_);
}

void Dialer::go_on_elsewhere() {
  reason_ = *std::exchange(leaving_, std::nullopt);
  disconnect(event::CloseMode::kReset);
  dial();
}

void Dialer::on_timer() {
  if (waits_for_backlog_) return end_wait_for_backlog();
  if (connection_->engine().now_ms() < deadline_ms_) return connection_->wake_by(deadline_ms_);
  if (waits_for_fd_) return dial();
  if (try_leave()) return connection_->on_dial_failed(CloseReason::kLimitEndpoint);
  if (early_error_ < 0) return on_failed(early_error_);
  connection_->engine().cancel(connect_);
}

void Dialer::on_connected(event::Completion completion) {
  if (!connection_->is_connecting()) {
    // Closing: the attempt was cancelled, or succeeded too late.
  } else if (leaving_) {
    go_on_elsewhere();
  } else if (completion.result >= 0) {
    connection_->service().endpoints[tried_.back()].endpoint->forget_connect_failures();
    connection_->router()
        .endpoint_stats(connection_->service_index(), tried_.back())
        .connections.add();
    connection_->on_dialed();
  } else if (completion.result == -EAGAIN) {
    if (!wait_for_backlog()) on_failed(-ETIMEDOUT);
  } else if (completion.result != -EADDRNOTAVAIL || !connect_again()) {
    on_failed(completion.result);
  }
  connection_->settle();
}

void Dialer::on_failed(int32_t error) {
  // With a socket, and yet without a connect.
  const bool has_no_source = std::exchange(early_error_, int16_t{0}) < 0 && fd_ >= 0;
  // These say nothing of the endpoint.
  if (has_no_source) {
    connection_->note_no_source(*endpoint(), std::strerror(-error));
  } else if (error == -EADDRNOTAVAIL) {
    connection_->note_no_source(*endpoint(), "no free port towards the endpoint");
  }
  reason_ = reason_of_connect_error(error);
  const size_t service = connection_->service_index();
  connection_->router().endpoint_stats(service, tried_.back()).failure(reason_).add();
  if (!has_no_source && is_endpoints_fault(error)) count_failure();
  disconnect(event::CloseMode::kReset);
  dial();
}

void Dialer::count_failure() {
  const ServiceSnapshot& service = connection_->service();
  const uint32_t threshold = service.policy.passive_check.consecutive_connect_failures;
  if (threshold == 0) return;
  const auto& endpoint = service.endpoints[tried_.back()].endpoint;
  if (endpoint->count_connect_failure(threshold)) connection_->on_endpoint_failing(endpoint);
}

void Dialer::release_source() {
  if (source_ == SourcePool::kNoAddress) return;
  source_stats().closed.add();
  source_ = SourcePool::kNoAddress;
}

void Dialer::disconnect(event::CloseMode mode) {
  const int fd = std::exchange(fd_, -1);
  if (fd < 0) return;
  release_source();
  connection_->engine().close(fd, mode);
  give_back(tried_.back());
}

void Dialer::hang_up(event::CloseMode mode) {
  disconnect(mode);
  give_back_slot(endpoint());
}

void Dialer::give_back(uint32_t endpoint) {
  balance::Endpoint& freed = *connection_->service().endpoints[endpoint].endpoint;
  freed.remove_active();
  if (!pending().is_empty()) pending().admit(&freed);
}

void Dialer::give_back_slot(const balance::Endpoint* last) {
  const Slot slot = std::exchange(slot_, Slot::kNone);
  if (slot == Slot::kNone) return;
  connection_->service().endpoints.front().endpoint->service().slots().give_back(
      slot, connection_->worker());
  if (!pending().is_empty()) pending().admit(last);
}

}  // namespace lb::proxy
