// How far two cores are from each other: what a cache line takes to the other one and back. A
// hypervisor that moves its virtual CPUs between hyperthreads of one core, cores of one socket and
// sockets changes it by a factor of five, and with it what every exchange between a load and a
// proxy costs, whoever the proxy is.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace lb::bench {

class CoreDistance {
 public:
  // Measures from the thread that asks to `cpu`, where a thread of this object sleeps in between.
  // Both threads' CPUs have to differ.
  explicit CoreDistance(int cpu);
  ~CoreDistance();
  CoreDistance(const CoreDistance&) = delete;
  CoreDistance& operator=(const CoreDistance&) = delete;

  // Nanoseconds there and back; 0 when the other thread did not get its CPU in time. Takes less
  // than a millisecond where both CPUs are free, and never more than 20.
  int64_t measure_ns();

  // What the other thread has cost, on `cpu`.
  double helper_cpu_seconds() const;

 private:
  void help(int cpu);
  void answer();
  // False when time is up.
  bool go_there_and_back(int times, int64_t deadline_ns);

  // On lines of their own: nothing else may move with the one that is measured.
  alignas(128) std::atomic<uint64_t> turn_ = 0;
  alignas(128) std::atomic<uint32_t> asked_ = 0;
  std::atomic<bool> stops_ = false;
  uint64_t last_turn_ = 0;
  std::thread helper_;
};

// The distances that count as the same as `reference_ns`. A zero holds nothing.
class DistanceRange {
 public:
  explicit DistanceRange(int64_t reference_ns) : reference_ns_(reference_ns) {}

  int64_t reference_ns() const { return reference_ns_; }
  int64_t lowest_ns() const;
  int64_t highest_ns() const;
  bool holds(int64_t distance_ns) const;

 private:
  int64_t reference_ns_;
};

// The middle of the most common class among the samples; 0 without any. Zeros do not count.
int64_t most_common_distance_ns(std::vector<int64_t> samples_ns);

}  // namespace lb::bench
