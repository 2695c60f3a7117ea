// Timers of one loop: a hierarchical wheel of 1 ms ticks (Varghese and Lauck, 1987, scheme 7).
// Setting and stopping cost O(1); a timer never fires early. One thread.
#pragma once

#include <array>
#include <cstdint>

#include "lb/util/clock.h"
#include "lb/util/intrusive_list.h"
#include "lb/util/owner_offset.h"

namespace lb::event {

struct TimerTag {};

// Embedded in its owner; must be stopped (or have fired) before it is destroyed.
class Timer : public util::ListNode<TimerTag> {
 public:
  // Firing calls `(owner->*Method)()`; the owner embeds this timer. Bound once, before the first
  // start.
  template <auto Method, typename Owner>
  void bind(Owner* owner) {
    owner_.set(this, owner);
    handler_ = [](void* self) { (static_cast<Owner*>(self)->*Method)(); };
  }

  bool is_running() const { return is_linked(); }
  util::MonoTimeMs deadline_ms() const { return deadline_ms_; }

 private:
  friend class TimerWheel;

  void (*handler_)(void*) = nullptr;
  util::MonoTimeMs deadline_ms_ = 0;
  util::OwnerOffset owner_;
  uint8_t level_ = 0;
  uint8_t slot_ = 0;
};

class TimerWheel {
 public:
  explicit TimerWheel(util::MonoTimeMs now_ms) : now_ms_(now_ms) {}

  // Starts the timer, or moves it when it runs. A deadline that has passed fires at the next
  // advance.
  void start(Timer& timer, util::MonoTimeMs deadline_ms);
  void stop(Timer& timer);

  // Fires what is due by `now_ms`. Handlers may start and stop any timer, their own too.
  void advance(util::MonoTimeMs now_ms);

  // A time by which advance() wants to be called: never later than the earliest deadline, and
  // sometimes earlier, when far timers have to be sorted finer. kNever when nothing runs.
  util::MonoTimeMs next_wakeup_ms() const;

 private:
  static constexpr int kBits = 6;
  static constexpr int kLevels = 5;  // 64^5 ms: 12 days; beyond that a timer is re-sorted
  static constexpr uint64_t kSlots = 1 << kBits;

  using List = util::IntrusiveList<Timer, TimerTag>;

  // Sorts a timer in, to fire at its deadline but not before `earliest_ms`.
  void insert(Timer& timer, util::MonoTimeMs earliest_ms);
  void cascade(int level);
  void fire_current_slot();
  static uint64_t slot_of(util::MonoTimeMs time_ms, int level) {
    return (static_cast<uint64_t>(time_ms) >> (kBits * level)) & (kSlots - 1);
  }

  util::MonoTimeMs now_ms_;  // everything due by now has fired
  std::array<std::array<List, kSlots>, kLevels> slots_;
  std::array<uint64_t, kLevels> occupied_ = {};  // a bit a slot
};

}  // namespace lb::event
