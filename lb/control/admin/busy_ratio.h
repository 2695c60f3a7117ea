// Which share of the time a thread is busy, from readings of its CPU clock: whoever asks pays, the
// thread does nothing for it. Over the time since somebody last asked, a second at least, so that
// two who ask in turns do not spoil each other's answers. One thread.
#pragma once

#include <algorithm>
#include <cstdint>

namespace lb::control {

class BusyRatio {
 public:
  static constexpr int64_t kWindowNs = 1'000'000'000;

  // The thread begins now, with a CPU clock of 0.
  explicit BusyRatio(int64_t now_ns) : from_{now_ns, 0}, last_{now_ns, 0} {}

  // From 0 to 1, with the thread's CPU time so far.
  double update(int64_t now_ns, int64_t cpu_ns) {
    if (now_ns - last_.at_ns >= kWindowNs) {
      from_ = last_;
      last_ = {now_ns, cpu_ns};
    }
    if (now_ns <= from_.at_ns) return 0;
    const double ratio =
        static_cast<double>(cpu_ns - from_.cpu_ns) / static_cast<double>(now_ns - from_.at_ns);
    return std::clamp(ratio, 0.0, 1.0);
  }

 private:
  struct Reading {
    int64_t at_ns;
    int64_t cpu_ns;
  };

  Reading from_;
  Reading last_;
};

}  // namespace lb::control
