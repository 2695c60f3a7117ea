#include "bench/core_distance.h"

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "bench/child_process.h"
#include "lb/util/clock.h"

namespace lb::bench {
namespace {

constexpr int64_t kLongestNs = 20'000'000;
// The least of several bursts counts: one that was preempted says nothing.
constexpr int kBursts = 5;
constexpr int kTripsPerBurst = 200;
constexpr int kSpinsPerLook = 1024;
// Odd turns are the asker's, even ones the helper's.
constexpr uint64_t kOver = UINT64_MAX - 1;
constexpr int kHelperNice = -10;
// Near and far differ by more than this either way, the same distance twice by less.
constexpr double kSameFactor = 1.6;

int64_t now() { return util::clock_ns(CLOCK_MONOTONIC); }

}  // namespace

CoreDistance::CoreDistance(int cpu) : helper_([this, cpu] { help(cpu); }) {}

CoreDistance::~CoreDistance() {
  stops_ = true;
  ++asked_;
  asked_.notify_one();
  helper_.join();
}

void CoreDistance::help(int cpu) {
  pin_to_cpu(cpu);
  // Beside a busy proxy it should run soon; without the right to that it only takes longer.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kHelperNice);
  uint32_t seen = 0;
  for (;;) {
    asked_.wait(seen);
    seen = asked_;
    if (stops_) return;
    answer();
  }
}

void CoreDistance::answer() {
  const int64_t deadline_ns = now() + kLongestNs;
  do {
    for (int i = 0; i < kSpinsPerLook; ++i) {
      const uint64_t turn = turn_.load(std::memory_order_acquire);
      if (turn == kOver) return;
      if (turn % 2 == 1) turn_.store(turn + 1, std::memory_order_release);
    }
  } while (now() < deadline_ns);
}

bool CoreDistance::go_there_and_back(int times, int64_t deadline_ns) {
  for (int i = 0; i < times; ++i) {
    // Turns are never used twice, so an answer that comes too late answers nothing else.
    const uint64_t mine = last_turn_ + 1;
    last_turn_ += 2;
    turn_.store(mine, std::memory_order_release);
    int spins = 0;
    while (turn_.load(std::memory_order_acquire) != mine + 1) {
      if (++spins % kSpinsPerLook == 0 && now() >= deadline_ns) return false;
    }
  }
  return true;
}

int64_t CoreDistance::measure_ns() {
  const int64_t deadline_ns = now() + kLongestNs;
  // First of all, or a helper that is quick to wake finds the last probe's end.
  turn_.store(last_turn_, std::memory_order_release);
  ++asked_;
  asked_.notify_one();
  int64_t best_ns = 0;
  bool has_time = go_there_and_back(1, deadline_ns);
  for (int burst = 0; burst < kBursts && has_time; ++burst) {
    const int64_t begin_ns = now();
    has_time = go_there_and_back(kTripsPerBurst, deadline_ns);
    const int64_t trip_ns = (now() - begin_ns) / kTripsPerBurst;
    if (has_time && (best_ns == 0 || trip_ns < best_ns)) best_ns = std::max<int64_t>(1, trip_ns);
  }
  turn_.store(kOver, std::memory_order_release);
  return best_ns;
}

double CoreDistance::helper_cpu_seconds() const {
  clockid_t clock = 0;
  timespec time = {};
  // A thread that can be joined exists, also when it has returned.
  auto& helper = const_cast<std::thread&>(helper_);
  if (pthread_getcpuclockid(helper.native_handle(), &clock) != 0) return 0;
  if (clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

int64_t DistanceRange::lowest_ns() const {
  return static_cast<int64_t>(static_cast<double>(reference_ns_) / kSameFactor);
}

int64_t DistanceRange::highest_ns() const {
  return static_cast<int64_t>(static_cast<double>(reference_ns_) * kSameFactor);
}

bool DistanceRange::holds(int64_t distance_ns) const {
  return distance_ns > 0 && distance_ns >= lowest_ns() && distance_ns <= highest_ns();
}

int64_t most_common_distance_ns(std::vector<int64_t> samples_ns) {
  std::erase(samples_ns, 0);
  std::sort(samples_ns.begin(), samples_ns.end());
  int64_t middle_ns = 0;
  std::ptrdiff_t most = 0;
  for (auto first = samples_ns.begin(); first != samples_ns.end(); ++first) {
    // A class is as wide as what a reference in its middle holds.
    const double end_ns = static_cast<double>(*first) * kSameFactor * kSameFactor;
    const auto last = std::upper_bound(first, samples_ns.end(), static_cast<int64_t>(end_ns));
    const std::ptrdiff_t size = std::distance(first, last);
    if (size <= most) continue;
    most = size;
    middle_ns = *std::next(first, size / 2);
  }
  return middle_ns;
}

}  // namespace lb::bench
