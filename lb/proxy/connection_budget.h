// How many connections the process may have. Two bounds, of two kinds: the operator's
// `maxConnections` is a policy, so who comes beyond it is refused; what the open-file limit allows
// is a state, so accepting waits and the clients with it. A connection that has found no descriptor
// for its other side waits here, too, and goes before new ones. Shared by all workers; any thread.
//
// The operator's bound is exact, and that takes one number that all workers write. Where there is
// none they write only their own loads, which are added up when it matters.
#pragma once

#include <atomic>
#include <cstdint>

#include "lb/proxy/worker_loads.h"
#include "lb/util/cache_line.h"
#include "lb/util/clock.h"

namespace lb::proxy {

class ConnectionBudget {
 public:
  // `refuse_above` 0 = no such bound. `pause_above` keeps a reserve for the accepts that are under
  // way when it is reached. `loads` must outlive the budget.
  ConnectionBudget(int64_t refuse_above, int64_t pause_above, const WorkerLoads& loads)
      : refuse_above_(refuse_above), loads_(loads), pause_above_(pause_above) {}

  // Counts a connection in, unless the operator's bound is reached.
  [[nodiscard]] bool try_take() {
    if (refuse_above_ == 0) return true;
    int64_t taken = taken_.load(std::memory_order_relaxed);
    do {
      if (taken >= refuse_above_) return false;
    } while (!taken_.compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed));
    return true;
  }
  void give_back() {
    if (refuse_above_ != 0) taken_.fetch_sub(1, std::memory_order_relaxed);
  }
  // Taken and not given back; 0 without an operator's bound.
  int64_t taken() const { return taken_.load(std::memory_order_relaxed); }

  // A reload that opens sockets leaves fewer descriptors for connections.
  void set_pause_above(int64_t pause_above) {
    pause_above_.store(pause_above, std::memory_order_relaxed);
  }

  // Connections that all workers have.
  int64_t used() const { return static_cast<int64_t>(loads_.total()); }
  // Connections that may still be accepted before accepting has to wait.
  int64_t room() const {
    return is_awaited() ? 0 : pause_above_.load(std::memory_order_relaxed) - used();
  }
  size_t workers() const { return loads_.size(); }

  // A connection waits for a descriptor. Only few may: clients that wait hold descriptors
  // themselves, and too many of them would wait for each other.
  [[nodiscard]] bool try_wait() {
    if (waiting_.fetch_add(1, std::memory_order_relaxed) < kMaxWaiting) return true;
    end_wait();
    return false;
  }
  void end_wait() { waiting_.fetch_sub(1, std::memory_order_relaxed); }
  bool is_awaited() const { return waiting_.load(std::memory_order_relaxed) > 0; }

 private:
  static constexpr int64_t kMaxWaiting = 8;

  const int64_t refuse_above_;
  const WorkerLoads& loads_;
  // What is hardly ever written and always read is apart from what every connection writes.
  std::atomic<int64_t> pause_above_;
  std::atomic<int64_t> waiting_{0};
  alignas(util::kCacheLineBytes) std::atomic<int64_t> taken_{0};
};

// The room as one worker sees it. Adding up the loads of all for each accept would be as bad as one
// number for all. So while there is plenty it looks every few milliseconds, and when the workers
// together may have used up a quarter of that; else each time. One thread.
class AcceptRoom {
 public:
  // Of less than that it is known exactly.
  static constexpr int64_t kPlenty = 4096;
  static constexpr util::MonoTimeMs kFreshMs = 5;

  explicit AcceptRoom(const ConnectionBudget& budget) : budget_(budget) {}

  // To be asked at least once an accept: connections that may still be accepted.
  int64_t look(util::MonoTimeMs now_ms) {
    if (budget_.is_awaited()) return 0;
    if (unlooked_ > 0 && now_ms < stale_ms_) {
      --unlooked_;
      return room_;
    }
    room_ = budget_.room();
    unlooked_ = (room_ - kPlenty) / (4 * static_cast<int64_t>(budget_.workers()));
    stale_ms_ = now_ms + kFreshMs;
    return room_;
  }

 private:
  const ConnectionBudget& budget_;
  int64_t room_ = 0;
  int64_t unlooked_ = 0;  // accepts before it has to look again, if that is > 0
  util::MonoTimeMs stale_ms_ = 0;
};

}  // namespace lb::proxy
