#include "lb/proxy/worker_loads.h"

#include <thread>

#include "lb/util/assert.h"

namespace lb::proxy {

uint64_t WorkerLoads::load(size_t worker) const {
  const Line& line = lines_[worker];
  return line.active.load(std::memory_order_relaxed) +
         (line.door.load(std::memory_order_relaxed) & kOnTheWayMask);
}

uint64_t WorkerLoads::total() const {
  uint64_t sum = 0;
  for (size_t i = 0; i < lines_.size(); ++i) sum += load(i);
  return sum;
}

void WorkerLoads::count_handed_over(size_t worker) {
  std::atomic<uint64_t>& count = lines_[worker].handed_over;
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

uint64_t WorkerLoads::handed_over(size_t worker) const {
  return lines_[worker].handed_over.load(std::memory_order_relaxed);
}

void WorkerLoads::open(size_t worker, HandOver& receiver) {
  Line& line = lines_[worker];
  LB_ASSERT(line.door.load(std::memory_order_relaxed) == kClosed);
  line.receiver = &receiver;
  line.door.store(0, std::memory_order_release);
}

void WorkerLoads::close(size_t worker) {
  lines_[worker].door.fetch_or(kClosed, std::memory_order_acq_rel);
}

bool WorkerLoads::is_expecting(size_t worker) const {
  return (lines_[worker].door.load(std::memory_order_acquire) & kOnTheWayMask) != 0;
}

HandOver* WorkerLoads::set_out(size_t worker) {
  Line& line = lines_[worker];
  uint64_t door = line.door.load(std::memory_order_acquire);
  do {
    if ((door & kClosed) != 0) return nullptr;
  } while (!line.door.compare_exchange_weak(door, door + kOnTheWay + kPosting,
                                            std::memory_order_acq_rel, std::memory_order_acquire));
  return line.receiver;
}

void WorkerLoads::posted(size_t worker) {
  lines_[worker].door.fetch_sub(kPosting, std::memory_order_release);
}

void WorkerLoads::arrived(size_t worker) {
  lines_[worker].door.fetch_sub(kOnTheWay, std::memory_order_acq_rel);
}

void WorkerLoads::wait_posted(size_t worker) const {
  const std::atomic<uint64_t>& door = lines_[worker].door;
  while ((door.load(std::memory_order_acquire) & ~kClosed) >= kPosting) std::this_thread::yield();
}

}  // namespace lb::proxy
