// How many connections each worker has, as the others see it, and whether it takes some that they
// have accepted. One cache line a worker: the worker writes it whenever a connection comes or goes,
// the others look at it when they accept, and write it when they hand one over. Made before the
// workers, outlives them; any thread, but for what says otherwise.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "lb/util/cache_line.h"

namespace lb::proxy {

class HandOver;

class WorkerLoads {
 public:
  explicit WorkerLoads(size_t workers) : lines_(workers) {}

  size_t size() const { return lines_.size(); }

  // Connections that the worker has. To be set in its thread.
  void set_active(size_t worker, size_t connections) {
    lines_[worker].active.store(connections, std::memory_order_relaxed);
  }
  // The same with those that are on their way to it.
  uint64_t load(size_t worker) const;
  // Of all workers.
  uint64_t total() const;

  // Connections that the worker has handed to others. To be counted in its thread.
  void count_handed_over(size_t worker);
  uint64_t handed_over(size_t worker) const;

  // A worker begins to take connections, through `receiver`, or takes no more of them. Those that
  // are on their way then still come: is_expecting() says whether there are any, and rises no more
  // after close().
  void open(size_t worker, HandOver& receiver);
  void close(size_t worker);
  bool is_expecting(size_t worker) const;

  // A connection sets out for `worker`: where to post it, or null when the worker takes none. What
  // follows is posted() in the same thread, and arrived() in the worker's.
  [[nodiscard]] HandOver* set_out(size_t worker);
  void posted(size_t worker);
  void arrived(size_t worker);
  // Returns when nobody is on the point of posting to a worker that has closed: its engine may go.
  void wait_posted(size_t worker) const;

 private:
  // Who sets out finds the door open and is counted in one step, so none is late: how many are on
  // their way in the lower half, how many have not finished posting above it.
  static constexpr uint64_t kClosed = uint64_t{1} << 63;
  static constexpr uint64_t kOnTheWay = 1;
  static constexpr uint64_t kPosting = uint64_t{1} << 32;
  static constexpr uint64_t kOnTheWayMask = kPosting - 1;

  struct alignas(util::kCacheLineBytes) Line {
    std::atomic<uint64_t> active{0};
    std::atomic<uint64_t> door{kClosed};
    std::atomic<uint64_t> handed_over{0};
    HandOver* receiver = nullptr;  // while the door is open
  };

  std::vector<Line> lines_;
};

}  // namespace lb::proxy
