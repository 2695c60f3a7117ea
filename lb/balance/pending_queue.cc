#include "lb/balance/pending_queue.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lb/balance/availability.h"
#include "lb/balance/load_balancer.h"
#include "lb/balance/weighted_endpoint.h"

namespace lb::balance {
namespace {

Availability availability_of(const PendingQueue::Wish& wish) {
  return {*wish.endpoints, wish.panic_threshold_percent};
}

bool may_go_to(const PendingQueue::Wish& wish, const Availability& availability, uint32_t index) {
  return availability.admits((*wish.endpoints)[index]) &&
         std::find(wish.tried.begin(), wish.tried.end(), index) == wish.tried.end();
}

// The lowest priority with room, and the least loaded of that.
bool is_better(const WeightedEndpoint& entry, const WeightedEndpoint& other) {
  if (entry.priority != other.priority) return entry.priority < other.priority;
  const auto load_of = [](const WeightedEndpoint& one) {
    return static_cast<double>(one.endpoint->active()) / one.full_weight();
  };
  return load_of(entry) < load_of(other);
}

// Counts a connection in where there is room: at `freed`, or at the best of all when that is null.
// kNoEndpoint when there is room without a bound, so that it need not be held.
std::optional<uint32_t> take_room(const PendingQueue::Wish& wish, const Availability& availability,
                                  const Endpoint* freed) {
  for (;;) {
    std::optional<uint32_t> best;
    for (uint32_t i = 0; i < wish.endpoints->size(); ++i) {
      const WeightedEndpoint& entry = (*wish.endpoints)[i];
      if (freed != nullptr && entry.endpoint.get() != freed) continue;
      if (!entry.endpoint->has_room() || !may_go_to(wish, availability, i)) continue;
      if (entry.endpoint->max_connections() == 0) return kNoEndpoint;
      if (!best || is_better(entry, (*wish.endpoints)[*best])) best = i;
    }
    // Lost when one who came before anybody waited takes it at this moment.
    if (!best || (*wish.endpoints)[*best].endpoint->try_add_active()) return best;
  }
}

}  // namespace

bool PendingQueue::is_worth_waiting(const Wish& wish) {
  const Availability availability = availability_of(wish);
  for (uint32_t i = 0; i < wish.endpoints->size(); ++i) {
    if (may_go_to(wish, availability, i)) return true;
  }
  return false;
}

PendingQueue::Entry PendingQueue::enter(Waiter& waiter, uint32_t max_pending,
                                        absl::FunctionRef<bool()> is_settled) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // Seen by all who give something back from here on; what came back before is found below.
  size_.fetch_add(1);
  admit_locked(nullptr);
  Entry entry = Entry::kWaiting;
  if (is_settled()) {
    entry = Entry::kNeedless;
  } else if (size_.load() > max_pending) {
    entry = Entry::kRefused;
  }
  if (entry == Entry::kWaiting) {
    const std::vector<WeightedEndpoint>* const list = waiter.wish_.endpoints;
    if (waiters_.empty()) {
      common_ = list;
    } else if (common_ != list) {
      common_ = nullptr;
    }
    waiters_.push_back(waiter);
  } else {
    size_.fetch_sub(1);
  }
  return entry;
}

bool PendingQueue::leave(Waiter& waiter) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!waiter.is_linked()) return false;
  waiter.unlink();
  size_.fetch_sub(1);
  return true;
}

PendingQueue::Grant PendingQueue::collect(const Waiter& waiter) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return waiter.grant_;
}

void PendingQueue::admit(const Endpoint* freed) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // A slot of the service may be what somebody else's endpoint had room for.
  admit_locked(slots_.bound() > 0 ? nullptr : freed);
}

void PendingQueue::admit_locked(const Endpoint* freed) {
  // A list in which one who has tried nothing yet finds no room: nobody else does.
  const std::vector<WeightedEndpoint>* full = nullptr;
  // Once for all who wait with one list: a change while this goes on asks once more.
  std::optional<Availability> availability;
  const std::vector<WeightedEndpoint>* judged = nullptr;
  Waiter* next = nullptr;
  for (Waiter* waiter = waiters_.front(); waiter != nullptr; waiter = next) {
    if (freed != nullptr && !freed->has_room()) return;
    next = waiters_.next(*waiter);
    const Wish& wish = waiter->wish_;
    if (wish.endpoints == full) continue;
    const ServiceSlots::Slot slot = slots_.try_take(wish.worker);
    if (slot == ServiceSlots::Slot::kNone) return;
    if (std::exchange(judged, wish.endpoints) != wish.endpoints) {
      availability = availability_of(wish);
    }
    const std::optional<uint32_t> endpoint = take_room(wish, *availability, freed);
    if (endpoint) {
      waiter->unlink();
      size_.fetch_sub(1);
      waiter->grant_ = {slot, *endpoint};
      waiter->on_granted();
      continue;
    }
    slots_.give_back(slot, wish.worker);
    if (!wish.tried.empty()) continue;
    if (wish.endpoints == common_) return;
    full = wish.endpoints;
  }
}

}  // namespace lb::balance
