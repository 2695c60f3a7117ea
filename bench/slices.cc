#include "bench/slices.h"

#include "bench/ratio.h"

namespace lb::bench {

void Measured::merge(const Measured& other) {
  seconds += other.seconds;
  operations += other.operations;
  stream_bytes += other.stream_bytes;
  latency.merge(other.latency);
  proxy_cpu_seconds += other.proxy_cpu_seconds;
  own_cpu_seconds += other.own_cpu_seconds;
}

bool Slices::add(const Measured& slice, int64_t before_ns, int64_t after_ns) {
  if (range_.reference_ns() == 0) range_ = DistanceRange(before_ns > 0 ? before_ns : after_ns);
  if (!range_.holds(before_ns) || !range_.holds(after_ns)) {
    ++left_out_;
    return false;
  }
  add(slice);
  return true;
}

void Slices::add(const Measured& slice) {
  ++kept_;
  sum_.merge(slice);
  if (slice.latency.count() == 0) return;
  p99s_ns_.push_back(static_cast<double>(slice.latency.quantile_ns(0.99)));
}

int64_t Slices::typical_p99_ns() const { return static_cast<int64_t>(median(p99s_ns_)); }

}  // namespace lb::bench
