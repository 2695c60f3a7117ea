#include "lb/proxy/connection.h"

#include <algorithm>
#include <utility>

#include "lb/proxy/connection_table.h"
#include "lb/proxy/preamble.h"

namespace lb::proxy {
namespace {

// How often a socket is asked whether its peer has taken everything, at most: there is no event for
// that.
constexpr uint32_t kMaxFlushIntervalMs = 50;

// How long lingering lasts where neither halfCloseTimeout nor idleTimeout bounds it.
constexpr int64_t kDefaultLingerMs = 300'000;

}  // namespace

Connection::Connection(ConnectionTable& table, std::shared_ptr<Router> router, uint64_t id,
                       int client_fd, size_t listener, size_t service)
    : table_(table),
      router_(std::move(router)),
      id_(id),
      listener_(static_cast<uint32_t>(listener)),
      service_(static_cast<uint32_t>(service)),
      client_fd_(client_fd),
      accepted_ms_(table.engine_.now_ms()),
      last_activity_ms_(accepted_ms_) {
  for (const Side side : {Side::kDownstream, Side::kUpstream}) flow_from(side).bind(*this, side);
  dialer_.bind(*this);
  timer_.bind<&Connection::on_timer>(this);
}

Connection::~Connection() { LB_ASSERT(state_ == State::kClosing && !has_ops_in_flight()); }

event::Engine& Connection::engine() { return table_.engine_; }

ConnectionBudget& Connection::budget() { return table_.budget_; }

size_t Connection::worker() const { return table_.hand_over_.worker(); }

uint32_t Connection::buffer_limit_bytes() const {
  return static_cast<uint32_t>(std::min<uint64_t>(policy().buffer_limit_bytes, UINT32_MAX));
}

const config::ListenerPolicy& Connection::policy() const {
  return router_->snapshot().listeners[listener_].policy;
}

bool Connection::wants_client_address() const {
  return table_.log_.is_on() || router_->asks_for_client(service_) ||
         service().policy.proxy_header.version != config::ProxyVersion::kNone ||
         service().policy.source.transparent;
}

void Connection::note_no_source(const balance::Endpoint& endpoint, std::string_view why) {
  router_->service_stats(service_).no_source.add();
  if (table_.on_no_source_) table_.on_no_source_(service().name, endpoint.label(), why);
}

void Connection::start() {
  if (wants_client_address()) {
    client_ = std::make_unique<net::Address>(engine().peer_address(fd(Side::kDownstream)));
  }
  if (asks_for_tls(service().policy.proxy_header)) {
    hello_ = std::make_unique<HelloWait>(*this);
    hello_->begin();
  } else {
    flow_from(Side::kDownstream).start_reading();
  }
  dialer_.dial();
  settle();
}

void Connection::on_hello() {
  Flow& upload = flow_from(Side::kDownstream);
  if (upload.has_ended()) return;  // given up, since the server has gone
  if (state_ != State::kLingering) upload.start_reading();
  if (state_ != State::kConnecting) open_upload();
}

void Connection::on_dialed() {
  state_ = State::kRelaying;
  place_ = ClosePlace::kData;
  connect_ms_ = since_accepted_ms();
  note_progress();
  flow_from(Side::kUpstream).open_destination();
  if (!hello_ || hello_->is_over()) open_upload();
  flow_from(Side::kUpstream).start_reading();
  leave_deadline_ms_ = table_.closer_.deadline_for_new(current_endpoint());
  wake_by(std::min(relay_deadline_ms(), leave_deadline_ms_));
  if (first_fin_) pass_fin(Side::kDownstream);
}

void Connection::open_upload() {
  const config::ProxyHeader& header = service().policy.proxy_header;
  if (header.version == config::ProxyVersion::kNone) {
    return flow_from(Side::kDownstream).open_destination();
  }
  preamble_ = std::make_unique<const std::string>(
      preamble_for(header, proxied_peer(), id_, hello_ ? hello_->facts() : TLSFacts()));
  hello_.reset();
  flow_from(Side::kDownstream).open_destination(std::as_bytes(std::span(*preamble_)));
}

net::ProxiedPeer Connection::proxied_peer() const {
  return {false, *client_, table_.engine_.local_address(fd(Side::kDownstream))};
}

void Connection::on_preamble_sent() {
  preamble_.reset();
  if (state_ == State::kLingering) return on_quiet();
  if (state_ != State::kRelaying || first_reset_) return;
  if (flow_from(Side::kDownstream).has_ended()) pass_fin(Side::kDownstream);
}

config::SpliceMode Connection::splice_mode() const { return table_.splice_; }

void Connection::hold(Flow& flow) { table_.hold(flow); }

int32_t Connection::since_accepted_ms() const {
  const int64_t since_ms = table_.engine_.now_ms() - accepted_ms_;
  return static_cast<int32_t>(std::min<int64_t>(since_ms, INT32_MAX));
}

void Connection::note_bytes(Side side) {
  last_activity_ms_ = engine().now_ms();
  if (side == Side::kUpstream && first_byte_ms_ < 0) first_byte_ms_ = since_accepted_ms();
}

void Connection::count_bytes(Side side, uint64_t bytes, bool is_spliced) {
  router_->service_stats(service_).bytes[index_of(side)].add(bytes);
  if (is_spliced) router_->relay_stats().spliced_bytes.add(bytes);
}

void Connection::note_progress() { last_activity_ms_ = engine().now_ms(); }

void Connection::on_fin(Side side) {
  // The error of a reset is reported once; whoever asks later sees the end of the stream.
  if (first_reset_ == side) return on_reset(side);
  if (!first_fin_) first_fin_ = side;
  if (state_ == State::kRelaying) pass_fin(side);
  if (state_ == State::kLingering) on_quiet();
}

void Connection::pass_fin(Side from) {
  // The client's FIN is behind the preamble, and on_preamble_sent() asks again.
  const bool waits = preamble_ != nullptr && flow_from(Side::kDownstream).has_ended();
  if (!waits) {
    // The second FIN goes out with the close, which saves a call.
    if (flow_from(other(from)).has_ended()) return close(fin_reason());
    engine().shutdown_write(fd(other(from)));
  }
  note_progress();
  if (policy().half_close_timeout_ms == 0) return begin_lingering(fin_reason());
  wake_by(half_close_deadline_ms());
}

void Connection::on_reset(Side side) {
  if (state_ == State::kClosing || state_ == State::kFlushing) return;
  if (!first_reset_) {
    first_reset_ = side;
    flush_deadline_ms_ = engine().now_ms() + policy().half_close_timeout_ms;
  }
  if (state_ != State::kRelaying || first_reset_ != side) return close(reset_reason());
  // Nobody is left to write to. What that side sent before may still be on its way.
  flow_from(other(side)).abandon();
  if (flow_from(side).has_ended()) return begin_flushing();
  wake_by(flush_deadline_ms_);
}

void Connection::begin_flushing() {
  state_ = State::kFlushing;
  for (Flow& flow : flows_) flow.abandon();
  check_flushed();
}

void Connection::check_flushed() {
  const util::MonoTimeMs now_ms = engine().now_ms();
  // Closing with RST drops what the kernel has not delivered yet, so that comes first.
  if (now_ms >= flush_deadline_ms_ || engine().unacked_bytes(fd(other(*first_reset_))) <= 0) {
    return close(reset_reason());
  }
  wake_by(std::min<util::MonoTimeMs>(now_ms + flush_interval_ms_, flush_deadline_ms_));
  flush_interval_ms_ = static_cast<uint8_t>(std::min(flush_interval_ms_ * 2U, kMaxFlushIntervalMs));
}

void Connection::begin_lingering(CloseReason reason) {
  state_ = State::kLingering;
  reason_ = reason;
  int64_t linger_ms = policy().half_close_timeout_ms;
  if (linger_ms == 0) linger_ms = policy().idle_timeout_ms;
  if (linger_ms == 0) linger_ms = kDefaultLingerMs;
  flush_deadline_ms_ = engine().now_ms() + linger_ms;
  wake_by(flush_deadline_ms_);
  for (Flow& flow : flows_) {
    if (!flow.has_ended()) flow.stop_reading();
  }
  // The server gets its preamble before its FIN.
  if (hello_) hello_->hurry();
  on_quiet();
}

void Connection::on_quiet() {
  if (state_ != State::kLingering || hello_) return;
  if (flows_[0].is_quiet() && flows_[1].is_quiet()) close(reason_);
}

void Connection::on_endpoint_failing(const std::shared_ptr<balance::Endpoint>& endpoint) {
  if (table_.on_endpoint_failing_) table_.on_endpoint_failing_(endpoint);
}

void Connection::leave_endpoint(CloseReason reason, util::MonoTimeMs deadline_ms) {
  if (state_ == State::kConnecting) return dialer_.leave(reason);
  if (deadline_ms <= engine().now_ms()) return kill(reason);
  leave_deadline_ms_ = deadline_ms;
  if (state_ != State::kClosing) wake_by(deadline_ms);
}

void Connection::check_endpoint() {
  if (engine().now_ms() < leave_deadline_ms_) return;
  leave_deadline_ms_ = util::kNever;
  // It may have come back meanwhile.
  const std::optional<CloseReason> reason = table_.closer_.reason_for(current_endpoint());
  if (reason) close(*reason);
}

void Connection::kill(CloseReason reason) {
  close(reason);
  settle();
}

void Connection::close(CloseReason reason) {
  if (state_ == State::kClosing) return;
  state_ = State::kClosing;
  reason_ = reason;
  engine().timers().stop(timer_);
  dialer_.give_up();
  if (hello_) hello_->give_up();
  for (Flow& flow : flows_) flow.abandon();
}

CloseReason Connection::fin_reason() const {
  return first_fin_ == Side::kDownstream ? CloseReason::kClientFin : CloseReason::kServerFin;
}

CloseReason Connection::reset_reason() const {
  return first_reset_ == Side::kDownstream ? CloseReason::kClientReset : CloseReason::kServerReset;
}

event::CloseMode Connection::close_mode() const {
  return closes_with_reset(reason_) ? event::CloseMode::kReset : event::CloseMode::kFin;
}

void Connection::settle() {
  if (state_ == State::kClosing && !has_ops_in_flight()) table_.release(*this);
}

bool Connection::has_ops_in_flight() const {
  return dialer_.has_ops_in_flight() || flows_[0].has_ops_in_flight() ||
         flows_[1].has_ops_in_flight() || (hello_ && hello_->has_ops_in_flight());
}

void Connection::wake_by(util::MonoTimeMs deadline_ms) {
  if (deadline_ms == util::kNever) return;
  if (timer_.is_running() && timer_.deadline_ms() <= deadline_ms) return;
  engine().timers().start(timer_, deadline_ms);
}

void Connection::on_timer() {
  check_endpoint();
  switch (state_) {
    case State::kConnecting:
      dialer_.on_timer();
      break;
    case State::kRelaying:
      check_idle();
      break;
    case State::kLingering:
      if (engine().now_ms() >= flush_deadline_ms_) {
        close(reason_);
      } else {
        wake_by(flush_deadline_ms_);
      }
      break;
    case State::kFlushing:
      check_flushed();
      break;
    case State::kClosing:
      break;
  }
  if (state_ != State::kClosing) wake_by(leave_deadline_ms_);
  settle();
}

util::MonoTimeMs Connection::half_close_deadline_ms() const {
  if (!first_fin_) return util::kNever;
  return last_activity_ms_ + policy().half_close_timeout_ms;
}

util::MonoTimeMs Connection::relay_deadline_ms() const {
  if (first_reset_) return flush_deadline_ms_;
  const int64_t idle_timeout_ms = policy().idle_timeout_ms;
  const util::MonoTimeMs idle_deadline_ms =
      idle_timeout_ms == 0 ? util::kNever : last_activity_ms_ + idle_timeout_ms;
  return std::min(idle_deadline_ms, half_close_deadline_ms());
}

void Connection::check_idle() {
  const util::MonoTimeMs now_ms = engine().now_ms();
  if (now_ms < relay_deadline_ms()) return wake_by(relay_deadline_ms());
  if (first_reset_) return close(reset_reason());
  // A send that a slow reader keeps busy shows no completion for a long time, but it moves.
  const bool upload_moved = flows_[0].has_moved();
  const bool download_moved = flows_[1].has_moved();
  if (upload_moved || download_moved) {
    note_progress();
    return wake_by(relay_deadline_ms());
  }
  const bool is_half_closed = now_ms >= half_close_deadline_ms();
  begin_lingering(is_half_closed ? CloseReason::kHalfCloseTimeout : CloseReason::kIdleTimeout);
}

void Connection::count() const {
  router_->listener_stats(listener_).ended.add();
  router_->service_stats(service_).closes[static_cast<size_t>(reason_)].add();
}

AccessRecord Connection::record() const {
  event::Engine& engine = table_.engine_;
  const int client_fd = fd(Side::kDownstream);
  const int server_fd = fd(Side::kUpstream);
  AccessRecord record;
  record.id = id_;
  const ListenerSnapshot& listener = router_->snapshot().listeners[listener_];
  record.gateway = listener.gateway;
  record.listener = listener.name;
  record.route = router_->snapshot().routes[*listener.route].name;
  record.service = service().name;
  if (dialer_.endpoint() != nullptr) record.endpoint = dialer_.endpoint()->label();
  record.client = client_address();
  record.local = engine.local_address(client_fd);
  record.rtt_client_us = engine.tcp_state(client_fd).rtt_us;
  if (server_fd >= 0) {
    record.upstream_local = engine.local_address(server_fd);
    record.rtt_server_us = engine.tcp_state(server_fd).rtt_us;
  }
  record.bytes_in = flows_[0].relayed_bytes();
  record.bytes_out = flows_[1].relayed_bytes();
  record.connect_ms = connect_ms_;
  record.first_byte_ms = first_byte_ms_;
  record.duration_ms = engine.now_ms() - accepted_ms_;
  record.attempts = dialer_.attempts();
  record.reason = reason_;
  record.place = place_;
  record.engine = engine.name();
  record.relay = flows_[0].has_spliced() || flows_[1].has_spliced() ? "splice" : "copy";
  return record;
}

}  // namespace lb::proxy
