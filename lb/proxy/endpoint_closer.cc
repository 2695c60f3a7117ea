#include "lb/proxy/endpoint_closer.h"

#include <algorithm>

#include "lb/proxy/connection.h"

namespace lb::proxy {

EndpointCloser::EndpointCloser(event::Engine& engine, const Connections& connections, uint64_t seed)
    : engine_(engine), connections_(connections), random_(seed) {
  timer_.bind<&EndpointCloser::look_on>(this);
}

EndpointCloser::~EndpointCloser() { engine_.timers().stop(timer_); }

void EndpointCloser::begin(const EndpointPtr& endpoint, CloseReason reason, int64_t spread_ms) {
  // What nobody refers to has no connections either.
  absl::erase_if(closings_, [](const auto& entry) { return entry.second.endpoint.expired(); });
  closings_[endpoint.get()] = {endpoint, reason, engine_.now_ms() + spread_ms, Phase::kWaiting};
  if (!is_looking_) begin_looking();
}

void EndpointCloser::call_off(const balance::Endpoint& endpoint) { closings_.erase(&endpoint); }

std::optional<CloseReason> EndpointCloser::reason_for(const balance::Endpoint* endpoint) const {
  const Closing* const closing = find(endpoint);
  return closing == nullptr ? std::nullopt : std::optional(closing->reason);
}

util::MonoTimeMs EndpointCloser::deadline_for_new(const balance::Endpoint* endpoint) const {
  const Closing* const closing = find(endpoint);
  // One that is down may have been chosen all the same, for want of a better one.
  if (closing == nullptr || closing->reason != CloseReason::kEndpointRemoved) return util::kNever;
  return closing->end_ms;
}

const EndpointCloser::Closing* EndpointCloser::find(const balance::Endpoint* endpoint) const {
  if (closings_.empty()) return nullptr;
  const auto found = closings_.find(endpoint);
  return found == closings_.end() ? nullptr : &found->second;
}

void EndpointCloser::forget(const Connection& connection) {
  if (next_ == &connection) next_ = connections_.next(connection);
}

void EndpointCloser::begin_looking() {
  for (auto& [key, closing] : closings_) {
    if (closing.phase == Phase::kWaiting) closing.phase = Phase::kLooking;
  }
  is_looking_ = true;
  next_ = connections_.front();
  engine_.timers().start(timer_, engine_.now_ms());
}

void EndpointCloser::look_on() {
  for (int i = 0; i < kPerTurn && next_ != nullptr; ++i) {
    Connection& connection = *next_;
    next_ = connections_.next(connection);
    look_at(connection);
  }
  if (next_ == nullptr) return end_looking();
  engine_.timers().start(timer_, engine_.now_ms());
}

void EndpointCloser::end_looking() {
  is_looking_ = false;
  bool is_waiting = false;
  for (auto& [key, closing] : closings_) {
    if (closing.phase == Phase::kLooking) closing.phase = Phase::kDone;
    is_waiting |= closing.phase == Phase::kWaiting;
  }
  if (is_waiting) begin_looking();
}

void EndpointCloser::look_at(Connection& connection) {
  const Closing* const closing = find(connection.current_endpoint());
  if (closing == nullptr || closing->phase != Phase::kLooking) return;
  const util::MonoTimeMs left_ms =
      std::max<util::MonoTimeMs>(closing->end_ms - engine_.now_ms(), 0);
  const auto delay_ms = random_.below(static_cast<uint64_t>(left_ms) + 1);
  connection.leave_endpoint(closing->reason,
                            engine_.now_ms() + static_cast<util::MonoTimeMs>(delay_ms));
}

}  // namespace lb::proxy
