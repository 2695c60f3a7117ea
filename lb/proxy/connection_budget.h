// How many connections the process may have. Two bounds, of two kinds: the operator's
// `maxConnections` is a policy, so who comes beyond it is refused; what the open-file limit allows
// is a state, so accepting waits and the clients with it. A connection that has found no descriptor
// for its other side waits here, too, and goes before new ones. Shared by all workers; any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace lb::proxy {

class ConnectionBudget {
 public:
  // `refuse_above` 0 = no such bound. `pause_above` keeps a reserve for the accepts that are under
  // way when it is reached.
  ConnectionBudget(int64_t refuse_above, int64_t pause_above)
      : refuse_above_(refuse_above), pause_above_(pause_above) {}

  // Counts a connection in, unless the operator's bound is reached.
  [[nodiscard]] bool try_take() {
    int64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (refuse_above_ > 0 && used >= refuse_above_) return false;
    } while (!used_.compare_exchange_weak(used, used + 1, std::memory_order_relaxed));
    return true;
  }
  void give_back() { used_.fetch_sub(1, std::memory_order_relaxed); }

  // A reload that opens sockets leaves fewer descriptors for connections.
  void set_pause_above(int64_t pause_above) {
    pause_above_.store(pause_above, std::memory_order_relaxed);
  }

  int64_t used() const { return used_.load(std::memory_order_relaxed); }
  // Connections that may still be accepted before accepting has to wait.
  int64_t room() const {
    return waiting() > 0 ? 0 : pause_above_.load(std::memory_order_relaxed) - used();
  }

  // A connection waits for a descriptor. Only few may: clients that wait hold descriptors
  // themselves, and too many of them would wait for each other.
  [[nodiscard]] bool try_wait() {
    if (waiting_.fetch_add(1, std::memory_order_relaxed) < kMaxWaiting) return true;
    end_wait();
    return false;
  }
  void end_wait() { waiting_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  static constexpr int64_t kMaxWaiting = 8;

  int64_t waiting() const { return waiting_.load(std::memory_order_relaxed); }

  const int64_t refuse_above_;
  std::atomic<int64_t> pause_above_;
  alignas(64) std::atomic<int64_t> used_{0};
  std::atomic<int64_t> waiting_{0};
};

}  // namespace lb::proxy
