#include "bench/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>

namespace lb::bench {
namespace {

// Every power of two is cut into this many buckets: 1/128 is the resolution.
constexpr int kSubBits = 7;
constexpr uint64_t kSub = uint64_t{1} << kSubBits;
constexpr int kMaxBits = 42;
constexpr uint64_t kBiggest = (uint64_t{1} << kMaxBits) - 1;
constexpr size_t kBuckets = static_cast<size_t>((kMaxBits - kSubBits + 1)) * kSub;

// Values below 2 * kSub have a bucket of their own; above, `shift` low bits are dropped.
size_t bucket_of(uint64_t value) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - kSubBits - 1);
  return static_cast<size_t>(shift) * kSub + (value >> shift);
}

uint64_t upper_end(size_t bucket) {
  if (bucket < 2 * kSub) return bucket;
  const uint64_t shift = bucket / kSub - 1;
  const uint64_t top = bucket - shift * kSub;
  return ((top + 1) << shift) - 1;
}

}  // namespace

Histogram::Histogram() : buckets_(kBuckets) {}

void Histogram::add(int64_t value_ns) {
  const uint64_t value = value_ns < 0 ? 0 : std::min(static_cast<uint64_t>(value_ns), kBiggest);
  ++buckets_[bucket_of(value)];
  ++count_;
  sum_ns_ += static_cast<double>(value);
  max_ns_ = std::max(max_ns_, static_cast<int64_t>(value));
}

void Histogram::merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ns_ += other.sum_ns_;
  max_ns_ = std::max(max_ns_, other.max_ns_);
}

void Histogram::clear() { *this = Histogram(); }

double Histogram::mean_ns() const {
  return count_ == 0 ? 0 : sum_ns_ / static_cast<double>(count_);
}

int64_t Histogram::quantile_ns(double share) const {
  if (count_ == 0) return 0;
  const auto rank = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
  const uint64_t wanted = std::clamp<uint64_t>(rank, 1, count_);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(static_cast<int64_t>(upper_end(i)), max_ns_);
  }
  return max_ns_;
}

}  // namespace lb::bench
