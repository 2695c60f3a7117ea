// The connections of a service that wait because all of its endpoints, or the service itself, have
// as many as they may (`circuitBreaker.maxPending`): over all workers, first come first served. Any
// thread; the lock is taken while somebody waits or is about to, and never else.
//
// What becomes free goes to the one who has waited longest among those who can use it: an endpoint
// may have been tried already, or be of another port of the service. Nobody waits while there is
// room that he can use, and who comes asks for room under the lock, after those who wait: so nobody
// is overtaken.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "lb/balance/service_slots.h"
#include "lb/util/intrusive_list.h"

namespace lb::balance {

class Endpoint;
struct WeightedEndpoint;

struct PendingTag {};

class PendingQueue {
 public:
  // What somebody who has waited is given: a slot of the service, and a connection counted in at
  // one of his endpoints, unless he is to choose it himself (kNoEndpoint): some have no bound.
  struct Grant {
    ServiceSlots::Slot slot = ServiceSlots::Slot::kNone;
    uint32_t endpoint = 0;  // index into his list
  };

  // Whom he may go to: all of `endpoints` but those of `tried`. Both stay as they are while he
  // waits.
  struct Wish {
    const std::vector<WeightedEndpoint>* endpoints = nullptr;
    std::span<const uint32_t> tried;
    uint32_t panic_threshold_percent = 0;  // fewer of them up than this: health is ignored
    size_t worker = 0;
  };

  // Who waits. In place until leave() says that he has left, or his grant has been collected.
  class Waiter : public util::ListNode<PendingTag> {
   public:
    explicit Waiter(const Wish& wish) : wish_(wish) {}
    virtual ~Waiter() = default;

   protected:
    // He has a grant, to be collected. Under the lock, in any thread: passes it on to the thread of
    // the waiter and does nothing else.
    virtual void on_granted() = 0;

   private:
    friend class PendingQueue;

    const Wish wish_;
    Grant grant_;
  };

  // `slots` must outlive it.
  explicit PendingQueue(ServiceSlots& slots) : slots_(slots) {}
  PendingQueue(const PendingQueue&) = delete;
  PendingQueue& operator=(const PendingQueue&) = delete;

  size_t size() const { return size_.load(); }
  bool is_empty() const { return size() == 0; }

  // Whether he may go to anybody at all, now or once there is room.
  static bool is_worth_waiting(const Wish& wish);

  enum class Entry { kNeedless, kWaiting, kRefused };
  // Waits from now on, unless `is_settled()`, which is asked under the lock, says that there is no
  // need to, or `max_pending` wait already.
  [[nodiscard]] Entry enter(Waiter& waiter, uint32_t max_pending,
                            absl::FunctionRef<bool()> is_settled);
  // Waits no more. False: his grant is on its way.
  [[nodiscard]] bool leave(Waiter& waiter);
  // After on_granted(), in the waiter's thread. Whoever has granted it has left the waiter alone by
  // then.
  Grant collect(const Waiter& waiter);

  // Something has become free: a connection of `freed`, or, when that is null, anything. Serves
  // those who can use it.
  void admit(const Endpoint* freed);

 private:
  void admit_locked(const Endpoint* freed);

  ServiceSlots& slots_;
  std::atomic<size_t> size_{0};  // one more while somebody enters
  std::mutex mutex_;
  util::IntrusiveList<Waiter, PendingTag> waiters_;  // guarded by mutex_; the oldest first
  // Guarded by mutex_: the one list that all who wait have in common, or null. As a rule they do,
  // but for the ports of a service and for reloads.
  const std::vector<WeightedEndpoint>* common_ = nullptr;
};

}  // namespace lb::balance
