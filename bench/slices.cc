#include "bench/slices.h"

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
}

}  // namespace lb::bench
