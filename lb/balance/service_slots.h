// How many connections a service has, over all workers, and the most that it may have
// (`circuitBreaker.maxConnections`). The bound is exact, which takes one number that all workers
// write. Where there is none each worker counts on a line of its own, so that nothing is shared,
// and a bound that a reload brings knows what is there already. Any thread.
//
// Giving back is in one order with the looks that PendingQueue takes: either who gives back sees
// that somebody waits, or who is about to wait sees the free slot.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "lb/util/cache_line.h"

namespace lb::balance {

class ServiceSlots {
 public:
  // How a connection is counted, and to be given back.
  enum class Slot : uint8_t {
    kNone,
    kShared,  // under a bound
    kOwn,     // on a worker's line
  };

  // 0 = no bound.
  uint32_t bound() const { return bound_.load(); }
  // Those that are beyond a lower bound stay.
  void set_bound(uint32_t bound) { bound_.store(bound); }

  // Counts a connection of that worker in; kNone when the bound is reached.
  [[nodiscard]] Slot try_take(size_t worker) {
    const int64_t bound = bound_.load();
    if (bound == 0) {
      line_of(worker).fetch_add(1, std::memory_order_relaxed);
      return Slot::kOwn;
    }
    int64_t shared = shared_.load();
    do {
      if (shared + own() >= bound) return Slot::kNone;
    } while (!shared_.compare_exchange_weak(shared, shared + 1));
    return Slot::kShared;
  }
  void give_back(Slot slot, size_t worker) {
    if (slot == Slot::kOwn) line_of(worker).fetch_sub(1);
    if (slot == Slot::kShared) shared_.fetch_sub(1);
  }

  int64_t taken() const { return shared_.load() + own(); }

 private:
  struct alignas(util::kCacheLineBytes) Line {
    std::atomic<int64_t> count{0};
  };

  // Enough to keep apart those who come at the same moment; more workers share them.
  static constexpr size_t kLines = 16;

  std::atomic<int64_t>& line_of(size_t worker) { return lines_[worker % kLines].count; }
  int64_t own() const {
    int64_t sum = 0;
    for (const Line& line : lines_) sum += line.count.load();
    return sum;
  }

  std::atomic<uint32_t> bound_{0};
  alignas(util::kCacheLineBytes) std::atomic<int64_t> shared_{0};
  std::array<Line, kLines> lines_;
};

}  // namespace lb::balance
