#include "lb/proxy/dialer.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "lb/proxy/connection.h"

namespace lb::proxy {
namespace {

// How soon a connection that found no descriptor tries again.
constexpr util::MonoTimeMs kDialAgainMs = 50;

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

// Whether a failed connect says something of the endpoint, and not of what this host lacks.
bool is_endpoints_fault(int32_t error) {
  switch (-error) {
    case EADDRINUSE:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return false;
    default:
      return true;
  }
}

}  // namespace

void Dialer::bind(Connection& connection) {
  connection_ = &connection;
  connect_.bind<&Dialer::on_connected>(this);
}

const balance::Endpoint* Dialer::endpoint() const {
  if (tried_.empty()) return nullptr;
  return connection_->service().endpoints[tried_.back()].endpoint.get();
}

util::MonoTimeMs Dialer::total_deadline_ms() const {
  return connection_->accepted_ms() + connection_->service().policy.retry_total_timeout_ms;
}

void Dialer::dial() {
  uint32_t next = balance::kNoEndpoint;
  if (tried_.size() < connection_->service().policy.retry_max_attempts &&
      connection_->engine().now_ms() < total_deadline_ms()) {
    next = connection_->router().pick(connection_->service_index(), tried_);
  }
  if (next == balance::kNoEndpoint) return connection_->on_dial_failed(reason_);
  const net::Address& address = connection_->service().endpoints[next].endpoint->address();
  const int fd = connection_->engine().open_stream_socket(address.family());
  if (fd < 0) return wait_for_fd(fd);
  end_wait();
  connect_to(next, fd);
}

void Dialer::connect_to(uint32_t endpoint, int fd) {
  const ServiceSnapshot& service = connection_->service();
  event::Engine& engine = connection_->engine();
  if (!tried_.empty()) {
    connection_->router().service_stats(connection_->service_index()).retries.add();
  }
  fd_ = fd;
  tried_.push_back(endpoint);
  service.endpoints[endpoint].endpoint->add_active();
  engine.connect(connect_, fd, service.endpoints[endpoint].endpoint->address());
  deadline_ms_ = std::min(engine.now_ms() + service.policy.connect_timeout_ms, total_deadline_ms());
  connection_->wake_by(deadline_ms_);
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

void Dialer::end_wait() {
  if (std::exchange(waits_for_fd_, false)) connection_->budget().end_wait();
}

void Dialer::leave(CloseReason reason) {
  if (!connect_.in_flight()) return;
  leaving_ = reason;
  connection_->engine().cancel(connect_);
}

void Dialer::count_failure(int32_t error) {
  const size_t service = connection_->service_index();
  connection_->router().endpoint_stats(service, tried_.back()).failure(reason_).add();
  const uint32_t threshold =
      connection_->service().policy.passive_check.consecutive_connect_failures;
  if (threshold == 0 || !is_endpoints_fault(error)) return;
  const auto& endpoint = connection_->service().endpoints[tried_.back()].endpoint;
  if (endpoint->count_connect_failure(threshold)) connection_->on_endpoint_failing(endpoint);
}

void Dialer::give_up() {
  end_wait();
  connection_->engine().cancel(connect_);
}

void Dialer::on_timer() {
  if (connection_->engine().now_ms() < deadline_ms_) return connection_->wake_by(deadline_ms_);
  if (waits_for_fd_) return dial();
  connection_->engine().cancel(connect_);
}

void Dialer::on_connected(event::Completion completion) {
  if (!connection_->is_connecting()) {
    // Closing: the attempt was cancelled, or succeeded too late.
  } else if (leaving_) {
    reason_ = *std::exchange(leaving_, std::nullopt);
    hang_up(event::CloseMode::kReset);
    dial();
  } else if (completion.result >= 0) {
    connection_->service().endpoints[tried_.back()].endpoint->forget_connect_failures();
    connection_->router()
        .endpoint_stats(connection_->service_index(), tried_.back())
        .connections.add();
    connection_->on_dialed();
  } else {
    reason_ = reason_of_connect_error(completion.result);
    count_failure(completion.result);
    hang_up(event::CloseMode::kReset);
    dial();
  }
  connection_->settle();
}

void Dialer::hang_up(event::CloseMode mode) {
  const int fd = std::exchange(fd_, -1);
  if (fd < 0) return;
  connection_->engine().close(fd, mode);
  connection_->service().endpoints[tried_.back()].endpoint->remove_active();
}

}  // namespace lb::proxy
