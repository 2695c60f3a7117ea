#include "bench/load_exchange.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "bench/stream_pattern.h"
#include "lb/net/fd.h"
#include "lb/util/clock.h"

namespace lb::bench {
namespace {

// What tells one message from every other: who sent it, and which of its messages it is.
struct Stamp {
  char ask = kAskEcho;
  uint8_t slot_high = 0;
  uint16_t slot_low = 0;
  uint32_t sequence = 0;
};

constexpr size_t kScratchBytes = 64 * 1024;
// Connections set up at a time, so that no accept queue overflows.
constexpr uint32_t kPreparingAtOnce = 64;
constexpr int64_t kRetryAfterNs = 10'000'000;
constexpr int64_t kLongestWaitNs = 10'000'000;
constexpr int64_t kTimedOutNs = 1'000'000'000;

int64_t now() { return util::clock_ns(CLOCK_MONOTONIC); }

}  // namespace

struct ExchangeLoad::Slot final : Watcher {
  Slot(ExchangeLoad& owner, uint32_t slot_index) : load(owner), index(slot_index) {}

  void on_ready(uint32_t events) override {
    if ((events & EPOLLOUT) != 0 && is_busy) load.send_rest(*this);
    if (fd.is_open() && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) load.receive(*this);
  }

  ExchangeLoad& load;
  const uint32_t index;
  net::UniqueFd fd;
  bool is_busy = false;
  bool is_fully_checked = false;
  bool is_first = true;
  bool watches_out = false;
  uint32_t sequence = 0;
  uint64_t sent = 0;
  uint64_t received = 0;
  int64_t intended_ns = 0;
  int64_t begun_ns = 0;
  int64_t retry_ns = 0;
};

ExchangeLoad::ExchangeLoad(Poller& poller, const LoadOptions& options, bool keep,
                           ErrorCounts& errors)
    : poller_(poller), dialer_(options.target, options.sources), keep_(keep), errors_(errors) {
  message_.resize(options.size_bytes);
  for (size_t i = 0; i < message_.size(); ++i) message_[i] = *stream_bytes_at(i);
  for (uint32_t i = 0; i < options.connections; ++i) {
    slots_.push_back(std::make_unique<Slot>(*this, i));
  }
  prepare_more();
}

ExchangeLoad::~ExchangeLoad() = default;

void ExchangeLoad::prepare_more() {
  while (tried_ < slots_.size() && preparing_ < kPreparingAtOnce) {
    ++preparing_;
    begin(*slots_[tried_++], now());
  }
}

void ExchangeLoad::start(int64_t now_ns, double rate) {
  started_ = true;
  if (rate > 0) {
    schedule_.emplace(rate, now_ns);
    return;
  }
  std::deque<Slot*> all;
  all.swap(idle_);
  for (Slot* slot : all) begin(*slot, now_ns);
}

void ExchangeLoad::begin_recording() {
  operations_ = 0;
  latency_.clear();
}

// All of it moves, as if the clock had stood still, so that a stall of the proxy's is still seen by
// everything it delayed, on both sides of the pause. An answer that came during the pause counts as
// if it came at its end: too fast by no more than it had left, and there are few such.
void ExchangeLoad::skip_pause(int64_t pause_ns) {
  if (schedule_) schedule_->shift(pause_ns);
  for (const std::unique_ptr<Slot>& slot : slots_) {
    slot->intended_ns += pause_ns;
    slot->begun_ns += pause_ns;
  }
}

void ExchangeLoad::stop(int64_t now_ns) {
  stopped_ = true;
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (slot->is_busy && now_ns - slot->begun_ns > kTimedOutNs) errors_.add(ErrorKind::kTimeout);
  }
}

uint64_t ExchangeLoad::behind(int64_t now_ns) const {
  if (!schedule_) return 0;
  RateSchedule rest = *schedule_;
  while (rest.is_due(now_ns)) rest.take();
  return rest.taken() - schedule_->taken();
}

void ExchangeLoad::retry_broken(int64_t now_ns) {
  while (!broken_.empty() && broken_.front()->retry_ns <= now_ns) {
    Slot* slot = broken_.front();
    broken_.pop_front();
    if (schedule_) {
      idle_.push_back(slot);
    } else {
      begin(*slot, now_ns);
    }
  }
}

int64_t ExchangeLoad::on_turn(int64_t now_ns) {
  prepare_more();
  if (!started_ || stopped_) return kLongestWaitNs;
  retry_broken(now_ns);
  if (!schedule_) return kLongestWaitNs;
  while (!idle_.empty() && schedule_->is_due(now_ns)) {
    Slot* slot = idle_.front();
    idle_.pop_front();
    begin(*slot, schedule_->take());
  }
  if (idle_.empty()) return kLongestWaitNs;
  return std::clamp<int64_t>(schedule_->next_due_ns() - now(), 0, kLongestWaitNs);
}

void ExchangeLoad::stamp(const Slot& slot) {
  Stamp mark;
  mark.slot_high = static_cast<uint8_t>(slot.index >> 16);
  mark.slot_low = static_cast<uint16_t>(slot.index);
  mark.sequence = slot.sequence;
  std::memcpy(message_.data(), &mark, std::min(sizeof(mark), message_.size()));
}

void ExchangeLoad::begin(Slot& slot, int64_t intended_ns) {
  slot.is_busy = true;
  slot.intended_ns = intended_ns;
  slot.begun_ns = schedule_ ? now() : intended_ns;
  ++slot.sequence;
  slot.sent = 0;
  slot.received = 0;
  if (!slot.fd.is_open()) {
    const int fd = dialer_.dial();
    if (fd < 0) return fail(slot, kind_of_errno(-fd, true));
    slot.fd.reset(fd);
    slot.is_first = true;
    slot.watches_out = false;
    poller_.add(fd, EPOLLIN, slot);
  }
  send_rest(slot);
}

// On loopback the connection stands when connect(2) returns: the first send goes out at once, and
// only when it cannot is the poller asked.
void ExchangeLoad::send_rest(Slot& slot) {
  stamp(slot);
  if (slot.sent < message_.size()) {
    const ssize_t sent = send(slot.fd.get(), message_.data() + slot.sent,
                              message_.size() - slot.sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) return fail(slot, kind_of_errno(errno, slot.is_first));
    if (sent > 0) slot.sent += static_cast<uint64_t>(sent);
  }
  const bool wants_out = slot.sent < message_.size();
  if (wants_out == slot.watches_out) return;
  slot.watches_out = wants_out;
  poller_.change(slot.fd.get(), wants_out ? EPOLLIN | EPOLLOUT : EPOLLIN, slot);
}

bool ExchangeLoad::is_expected(const Slot& slot, const char* bytes, uint64_t size_bytes) {
  if (slot.received + size_bytes > slot.sent) return false;
  const uint64_t checked =
      slot.is_fully_checked ? std::min(message_.size(), sizeof(Stamp)) : message_.size();
  if (slot.received >= checked) return true;
  stamp(slot);
  return std::memcmp(bytes, message_.data() + slot.received,
                     std::min(size_bytes, checked - slot.received)) == 0;
}

void ExchangeLoad::receive(Slot& slot) {
  static thread_local std::array<char, kScratchBytes> scratch;
  const ssize_t got = recv(slot.fd.get(), scratch.data(), scratch.size(), MSG_DONTWAIT);
  if (got < 0) {
    if (errno != EAGAIN) fail(slot, kind_of_errno(errno, slot.is_first));
    return;
  }
  if (got == 0) return fail(slot, ErrorKind::kClosed);
  const auto size_bytes = static_cast<uint64_t>(got);
  if (!slot.is_busy || !is_expected(slot, scratch.data(), size_bytes)) {
    return fail(slot, ErrorKind::kWrongBytes);
  }
  slot.received += size_bytes;
  if (slot.received == message_.size()) finish(slot);
}

void ExchangeLoad::finish(Slot& slot) {
  slot.is_busy = false;
  slot.is_first = false;
  if (!keep_) slot.fd.reset();
  if (!slot.is_fully_checked) {
    slot.is_fully_checked = true;
    ++ready_;
    if (!started_) --preparing_;
  }
  if (!started_) return idle_.push_back(&slot);
  const int64_t now_ns = now();
  latency_.add(now_ns - slot.intended_ns);
  ++operations_;
  if (stopped_) return;
  if (schedule_) return idle_.push_back(&slot);
  begin(slot, now_ns);
}

void ExchangeLoad::fail(Slot& slot, ErrorKind kind) {
  errors_.add(kind);
  slot.fd.reset();
  if (!started_ && slot.is_busy && !slot.is_fully_checked) --preparing_;
  if (!slot.is_busy) std::erase(idle_, &slot);
  slot.is_busy = false;
  slot.retry_ns = now() + kRetryAfterNs;
  broken_.push_back(&slot);
}

}  // namespace lb::bench
