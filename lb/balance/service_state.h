// What all workers share about one service, beside its endpoints. Its identity is its name; it
// outlives the configurations that name it, as endpoints do.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include "lb/balance/pending_queue.h"
#include "lb/balance/service_slots.h"
#include "lb/util/cache_line.h"

namespace lb::balance {

class ServiceState {
 public:
  explicit ServiceState(std::string name) : name_(std::move(name)) {}
  ServiceState(const ServiceState&) = delete;
  ServiceState& operator=(const ServiceState&) = delete;

  const std::string& name() const { return name_; }

  // Rises with each change of an endpoint that choices depend on: health, ejection, override. A
  // worker that remembers the last one knows whether what it has derived is still true.
  uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  // After the change. Control thread.
  void advance_epoch() {
    epoch_.fetch_add(1);
    if (!pending_.is_empty()) pending_.admit(nullptr);
  }

  // Its connections: how many, and which of them wait.
  ServiceSlots& slots() { return slots_; }
  PendingQueue& pending() { return pending_; }

 private:
  const std::string name_;
  // Hardly ever written, read for each connection: apart from what is.
  alignas(util::kCacheLineBytes) std::atomic<uint64_t> epoch_{0};
  ServiceSlots slots_;
  PendingQueue pending_{slots_};
};

}  // namespace lb::balance
