// A counter that one thread advances and any thread reads: as cheap as a plain number, and no race.
#pragma once

#include <atomic>
#include <cstdint>

namespace lb::util {

class Counter {
 public:
  // The owner's thread only.
  void add(uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }

  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace lb::util
