// One server of a service, as all workers see it. Its identity is its service and its address; it
// outlives the configurations that name it, so that what is counted on it, and what is known of its
// health, survives a reload.
//
// Its state is written by the control thread alone (health_board.h) and read by any; what follows
// from the configuration (weight, `ready`) is the snapshot's and not here, but for its bound.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "lb/balance/service_state.h"
#include "lb/net/address.h"
#include "lb/util/cache_line.h"
#include "lb/util/clock.h"

namespace lb::balance {

// What an operator has said at run time (`sluice endpoint`).
enum class AdminState : uint8_t {
  kNone,   // as configured
  kReady,  // takes connections, whatever `ready` says in the file
  kDrain,  // takes no new ones
  kDown,   // as if it had failed
};

class Endpoint {
 public:
  Endpoint(const net::Address& address, std::shared_ptr<ServiceState> service)
      : address_(address), label_(address.to_string()), service_(std::move(service)) {}
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  const net::Address& address() const { return address_; }
  // "ip:port", "[ip]:port" or a path, for logs and metrics.
  const std::string& label() const { return label_; }
  ServiceState& service() const { return *service_; }

  // Connections that are connecting or connected, over all workers. Nothing is published through
  // the count; giving back is in one order with the looks of those who are about to wait for it
  // (pending_queue.h).
  uint32_t active() const { return active_.load(std::memory_order_relaxed); }
  void add_active() { active_.fetch_add(1, std::memory_order_relaxed); }
  void remove_active() { active_.fetch_sub(1); }

  // Most of them at a time; 0 = no bound. Of the configuration that is served, also for who holds
  // an older one: whoever waits for room must see that a reload has made some.
  uint32_t max_connections() const { return max_connections_.load(); }
  void set_max_connections(uint32_t most) { max_connections_.store(most); }
  // Counts a connection in unless the bound is reached, which is exact.
  [[nodiscard]] bool try_add_active() {
    const uint32_t most = max_connections();
    if (most == 0) {
      add_active();
      return true;
    }
    uint32_t active = active_.load();
    do {
      if (active >= most) return false;
    } while (!active_.compare_exchange_weak(active, active + 1));
    return true;
  }
  bool has_room() const {
    const uint32_t most = max_connections();
    return most == 0 || active_.load() < most;
  }

  // As its active checks say; true where there are none.
  bool is_healthy() const { return is_healthy_.load(std::memory_order_relaxed); }
  // Connections could not be made to it lately.
  bool is_ejected() const { return is_ejected_.load(std::memory_order_relaxed); }
  AdminState admin_state() const { return admin_state_.load(std::memory_order_relaxed); }
  // Instead of the configured weight.
  std::optional<uint32_t> weight_override() const {
    const int64_t weight = weight_override_.load(std::memory_order_relaxed);
    return weight < 0 ? std::nullopt : std::optional(static_cast<uint32_t>(weight));
  }
  // Since when it has been up without a break; never where that began with the process.
  std::optional<util::MonoTimeMs> up_since_ms() const {
    const util::MonoTimeMs since_ms = up_since_ms_.load(std::memory_order_relaxed);
    return since_ms == kAlways ? std::nullopt : std::optional(since_ms);
  }
  // Nothing is known against it.
  bool is_up() const { return is_healthy() && !is_ejected() && admin_state() != AdminState::kDown; }

  // Connects that were attempted and failed, over all workers, since the last one that succeeded.
  // True for whoever brings them to `threshold` (> 0), which begins the count anew: one of all
  // workers learns of it. Any thread.
  bool count_connect_failure(uint32_t threshold) {
    if (connect_failures_.fetch_add(1, std::memory_order_relaxed) + 1 < threshold) return false;
    return connect_failures_.exchange(0, std::memory_order_relaxed) >= threshold;
  }
  // One succeeded, or the count is to begin anew. Writes only where there is something to forget.
  void forget_connect_failures() {
    if (connect_failures_.load(std::memory_order_relaxed) == 0) return;
    connect_failures_.store(0, std::memory_order_relaxed);
  }

  // For HealthBoard, which also tells the others.
  void set_healthy(bool is_healthy) { is_healthy_.store(is_healthy, std::memory_order_relaxed); }
  void set_ejected(bool is_ejected) { is_ejected_.store(is_ejected, std::memory_order_relaxed); }
  void set_admin_state(AdminState state) { admin_state_.store(state, std::memory_order_relaxed); }
  void set_weight_override(std::optional<uint32_t> weight) {
    weight_override_.store(weight ? int64_t{*weight} : -1, std::memory_order_relaxed);
  }
  void set_up_since_ms(util::MonoTimeMs now_ms) {
    up_since_ms_.store(now_ms, std::memory_order_relaxed);
  }

 private:
  static constexpr util::MonoTimeMs kAlways = std::numeric_limits<util::MonoTimeMs>::min();

  const net::Address address_;
  const std::string label_;
  const std::shared_ptr<ServiceState> service_;
  std::atomic<bool> is_healthy_{true};
  std::atomic<bool> is_ejected_{false};
  std::atomic<AdminState> admin_state_{AdminState::kNone};
  std::atomic<int64_t> weight_override_{-1};
  std::atomic<util::MonoTimeMs> up_since_ms_{kAlways};
  std::atomic<uint32_t> max_connections_{0};
  // On a cache line of its own: workers write it, and read everything else.
  alignas(util::kCacheLineBytes) std::atomic<uint32_t> active_{0};
  std::atomic<uint32_t> connect_failures_{0};
};

}  // namespace lb::balance
