// What a run of load has measured, in slices that count or not: one counts when the two cores were
// at the run's distance before it and after it.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/core_distance.h"
#include "bench/histogram.h"

namespace lb::bench {

struct Measured {
  double seconds = 0;
  uint64_t operations = 0;
  uint64_t stream_bytes = 0;
  Histogram latency;
  double proxy_cpu_seconds = 0;
  double own_cpu_seconds = 0;  // of the load, without what it spun for nothing

  void merge(const Measured& other);
};

class Slices {
 public:
  // `reference_ns`: the run's distance; 0 = the first that is known.
  explicit Slices(int64_t reference_ns) : range_(reference_ns) {}

  // A slice with the distances before and after it, 0 = not known. Returns whether it counts.
  bool add(const Measured& slice, int64_t before_ns, int64_t after_ns);
  // A slice that counts at whatever distance.
  void add(const Measured& slice);

  const Measured& sum() const { return sum_; }
  uint32_t kept() const { return kept_; }
  uint32_t left_out() const { return left_out_; }
  // Of the slices that count: the middle one of their 99th percentiles, 0 = no operation ended in
  // any. Whoever takes a core away for some milliseconds now and then makes the 99th percentile of
  // the sum, and leaves this alone.
  int64_t typical_p99_ns() const;
  int64_t reference_ns() const { return range_.reference_ns(); }

 private:
  DistanceRange range_;
  Measured sum_;
  std::vector<double> p99s_ns_;  // of each slice in which an operation ended
  uint32_t kept_ = 0;
  uint32_t left_out_ = 0;
};

}  // namespace lb::bench
