// One server of a service, as all workers see it. Its identity is its service and its address; it
// outlives the configurations that name it, so that what is counted on it survives a reload.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "lb/net/address.h"
#include "lb/util/cache_line.h"

namespace lb::balance {

class Endpoint {
 public:
  explicit Endpoint(const net::Address& address) : address_(address), label_(address.to_string()) {}
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  const net::Address& address() const { return address_; }
  // "ip:port", "[ip]:port" or a path, for logs and metrics.
  const std::string& label() const { return label_; }

  // Connections that are connecting or connected, over all workers. A count and no more: nothing
  // is published through it, so relaxed order is enough.
  uint32_t active() const { return active_.load(std::memory_order_relaxed); }
  void add_active() { active_.fetch_add(1, std::memory_order_relaxed); }
  void remove_active() { active_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  const net::Address address_;
  const std::string label_;
  // On a cache line of its own: workers write it, and read everything else.
  alignas(util::kCacheLineBytes) std::atomic<uint32_t> active_{0};
};

}  // namespace lb::balance
