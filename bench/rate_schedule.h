// When each operation of a fixed-rate run is meant to be sent. Latency counts from that time, not
// from when a connection was free at last: a stall is then seen by every operation it delayed
// ("coordinated omission" is what leaving them out is called).
#pragma once

#include <cstdint>

namespace lb::bench {

class RateSchedule {
 public:
  // `per_second` > 0. The first operation is due at `start_ns`.
  RateSchedule(double per_second, int64_t start_ns)
      : interval_ns_(1e9 / per_second), start_ns_(start_ns) {}

  // When the next operation is due, also when that has passed.
  int64_t next_due_ns() const {
    return start_ns_ + static_cast<int64_t>(interval_ns_ * static_cast<double>(taken_));
  }
  bool is_due(int64_t now_ns) const { return next_due_ns() <= now_ns; }

  // Takes the next operation; returns the time it was meant for.
  int64_t take() {
    const int64_t due_ns = next_due_ns();
    ++taken_;
    return due_ns;
  }

  // Moves all that is still to come: time has stood still for so long.
  void shift(int64_t pause_ns) { start_ns_ += pause_ns; }

  uint64_t taken() const { return taken_; }

 private:
  double interval_ns_;
  int64_t start_ns_;
  uint64_t taken_ = 0;
};

}  // namespace lb::bench
