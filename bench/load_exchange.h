// The workloads that exchange messages of a fixed size: rr, crr and the first message of idle. Each
// connection has one exchange under way at most; the answer is the message itself (an echo).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "bench/dial.h"
#include "bench/error_counts.h"
#include "bench/histogram.h"
#include "bench/load_options.h"
#include "bench/poller.h"
#include "bench/rate_schedule.h"

namespace lb::bench {

class ExchangeLoad {
 public:
  // `keep`: the connection stays for the next exchange.
  ExchangeLoad(Poller& poller, const LoadOptions& options, bool keep, ErrorCounts& errors);
  ~ExchangeLoad();
  ExchangeLoad(const ExchangeLoad&) = delete;
  ExchangeLoad& operator=(const ExchangeLoad&) = delete;

  // Every connection is tried once, with an exchange whose answer is compared byte by byte.
  bool is_prepared() const { return tried_ == slots_.size() && preparing_ == 0; }
  uint32_t ready() const { return ready_; }

  // From here on, exchanges follow each other: as fast as they go, or `rate` a second.
  void start(int64_t now_ns, double rate);
  // Nothing new begins; exchanges that wait for an answer for long count as timed out.
  void stop(int64_t now_ns);
  // Forgets what was before.
  void begin_recording();
  // For `pause_ns` nobody looked for answers or sent anything. Neither what is under way nor what
  // is due later is late because of it.
  void skip_pause(int64_t pause_ns);

  // To be called once per turn; returns how long the poller may wait, in nanoseconds.
  int64_t on_turn(int64_t now_ns);

  uint64_t operations() const { return operations_; }
  const Histogram& latency() const { return latency_; }
  // Of a fixed rate: operations whose time has come but that no free connection could take.
  uint64_t behind(int64_t now_ns) const;

 private:
  struct Slot;

  void begin(Slot& slot, int64_t intended_ns);
  void send_rest(Slot& slot);
  void receive(Slot& slot);
  bool is_expected(const Slot& slot, const char* bytes, uint64_t size_bytes);
  void finish(Slot& slot);
  void fail(Slot& slot, ErrorKind kind);
  void prepare_more();
  void retry_broken(int64_t now_ns);
  void stamp(const Slot& slot);

  Poller& poller_;
  Dialer dialer_;
  const bool keep_;
  ErrorCounts& errors_;
  std::vector<char> message_;  // its first bytes are those of the slot that was stamped last
  std::vector<std::unique_ptr<Slot>> slots_;
  std::deque<Slot*> idle_;
  std::deque<Slot*> broken_;
  size_t tried_ = 0;
  uint32_t preparing_ = 0;
  uint32_t ready_ = 0;
  bool started_ = false;
  bool stopped_ = false;
  std::optional<RateSchedule> schedule_;
  uint64_t operations_ = 0;
  Histogram latency_;
};

}  // namespace lb::bench
