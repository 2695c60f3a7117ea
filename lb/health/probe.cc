#include "lb/health/probe.h"

#include <cerrno>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "lb/net/proxy_header.h"
#include "lb/util/assert.h"

namespace lb::health {
namespace {

constexpr uint32_t kReadBytes = 16 * 1024;

// Errors that say something of this host at the moment and nothing of the server. A family of
// addresses that it does not have is none of them: it will never reach the server.
bool is_own_fault(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EADDRNOTAVAIL:
      return true;
    default:
      return false;
  }
}

// Version 1 tells our own address and the server's: many servers turn UNKNOWN away.
std::string own_header(config::ProxyVersion version, const net::Address& local,
                       const net::Address& server) {
  switch (version) {
    case config::ProxyVersion::kNone:
      break;
    case config::ProxyVersion::kV1:
      return net::proxy_header_v1({.source = local, .destination = server});
    case config::ProxyVersion::kV2:
      return net::proxy_header_v2({.is_local = true});
  }
  return {};
}

}  // namespace

std::string_view to_string(ProbeResult result) {
  switch (result) {
    case ProbeResult::kSuccess:
      return "success";
    case ProbeResult::kFailure:
      return "failure";
    case ProbeResult::kTimeout:
      return "timeout";
    case ProbeResult::kNone:
      break;
  }
  return "none";
}

Probe::Probe(event::Engine& engine, Owner& owner) : engine_(engine), owner_(owner) {
  connect_.bind<&Probe::on_connected>(this);
  recv_.bind<&Probe::on_recv>(this);
  send_.bind<&Probe::on_sent>(this);
  timer_.bind<&Probe::on_timer>(this);
}

Probe::~Probe() { LB_ASSERT(is_idle()); }

void Probe::start(const net::Address& address, const CheckSource& source,
                  config::ProxyVersion proxy, int64_t timeout_ms,
                  std::unique_ptr<Dialogue> dialogue) {
  LB_ASSERT(is_idle());
  address_ = &address;
  proxy_ = proxy;
  timeout_ms_ = timeout_ms;
  dialogue_ = std::move(dialogue);
  is_connected_ = false;
  fd_ = engine_.open_stream_socket(address.family());
  if (fd_ < 0) {
    // The owner is told from the loop, as always.
    state_ = State::kClosing;
    result_ = is_own_fault(-fd_) ? ProbeResult::kNone : ProbeResult::kFailure;
    why_ = fmt::format("socket: {}", std::strerror(-fd_));
    return engine_.timers().start(timer_, engine_.now_ms());
  }
  if (const int error = take_source(engine_, fd_, source); error < 0) {
    state_ = State::kClosing;
    result_ = ProbeResult::kNone;
    why_ = fmt::format("source: {}", std::strerror(-error));
    return engine_.timers().start(timer_, engine_.now_ms());
  }
  state_ = State::kConnecting;
  engine_.timers().start(timer_, engine_.now_ms() + timeout_ms);
  engine_.connect(connect_, fd_, address);
}

void Probe::cancel() {
  if (state_ == State::kConnecting || state_ == State::kTalking) finish(ProbeResult::kNone, "");
}

void Probe::on_connected(event::Completion completion) {
  is_connected_ = completion.result >= 0;
  if (state_ == State::kConnecting) {
    if (completion.result < 0) {
      finish(is_own_fault(-completion.result) ? ProbeResult::kNone : ProbeResult::kFailure,
             fmt::format("connect: {}", std::strerror(-completion.result)));
    } else {
      state_ = State::kTalking;
      const bool names_us = proxy_ == config::ProxyVersion::kV1;
      const net::Address local = names_us ? engine_.local_address(fd_) : net::Address();
      take(dialogue_->begin(), own_header(proxy_, local, *address_));
    }
  }
  settle();
}

void Probe::on_recv(event::Completion completion) {
  const event::BufferLease lease = std::move(recv_.lease);
  if (state_ == State::kTalking) {
    if (completion.result < 0) {
      finish(ProbeResult::kFailure,
             fmt::format("{}: {}", std::strerror(-completion.result), dialogue_->missing()));
    } else if (completion.result == 0) {
      take(dialogue_->on_end());
    } else {
      const std::span<const std::byte> bytes = lease.bytes();
      take(dialogue_->on_bytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
    }
  }
  settle();
}

void Probe::on_sent(event::Completion completion) {
  if (state_ == State::kTalking) {
    if (completion.result < 0) {
      finish(ProbeResult::kFailure, fmt::format("send: {}", std::strerror(-completion.result)));
    } else {
      go_on();
    }
  }
  settle();
}

void Probe::on_timer() {
  switch (state_) {
    case State::kConnecting:
      finish(ProbeResult::kTimeout, fmt::format("timeout after {} ms: connect", timeout_ms_));
      break;
    case State::kTalking:
      finish(ProbeResult::kTimeout,
             fmt::format("timeout after {} ms: {}", timeout_ms_, dialogue_->missing()));
      break;
    case State::kClosing:
    case State::kIdle:
      break;
  }
  settle();
}

void Probe::take(DialogueStep step, std::string head) {
  out_ = std::move(head);
  out_ += step.send;
  step_ = std::move(step);
  if (out_.empty()) return go_on();
  engine_.send(send_, fd_, std::as_bytes(std::span(out_)));
}

void Probe::go_on() {
  switch (step_.kind) {
    case DialogueStep::Kind::kMore:
      return engine_.recv(recv_, fd_, kReadBytes);
    case DialogueStep::Kind::kSuccess:
      return finish(ProbeResult::kSuccess, "");
    case DialogueStep::Kind::kFailure:
      return finish(ProbeResult::kFailure, std::move(step_.why));
  }
}

void Probe::finish(ProbeResult result, std::string why) {
  state_ = State::kClosing;
  result_ = result;
  why_ = std::move(why);
  engine_.timers().stop(timer_);
  engine_.cancel(connect_);
  engine_.cancel(recv_);
  engine_.cancel(send_);
}

void Probe::settle() {
  if (state_ != State::kClosing || timer_.is_running()) return;
  if (connect_.in_flight() || recv_.in_flight() || send_.in_flight()) return;
  if (fd_ >= 0) {
    if (is_connected_) engine_.shutdown_write(fd_);
    engine_.close(std::exchange(fd_, -1),
                  is_connected_ ? event::CloseMode::kReset : event::CloseMode::kFin);
  }
  state_ = State::kIdle;
  dialogue_.reset();
  const ProbeResult result = result_;
  const std::string why = std::move(why_);
  owner_.on_probe_done(result, why);
}

}  // namespace lb::health
