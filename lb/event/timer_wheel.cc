#include "lb/event/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace lb::event {

void TimerWheel::start(Timer& timer, util::MonoTimeMs deadline_ms) {
  if (timer.is_running()) stop(timer);
  timer.deadline_ms_ = deadline_ms;
  // What is due already waits for the next tick: a handler that starts such a timer must not keep
  // advance() busy forever.
  insert(timer, now_ms_ + 1);
}

void TimerWheel::stop(Timer& timer) {
  if (!timer.is_running()) return;
  timer.unlink();
  if (slots_[timer.level_][timer.slot_].empty()) {
    occupied_[timer.level_] &= ~(uint64_t{1} << timer.slot_);
  }
}

void TimerWheel::insert(Timer& timer, util::MonoTimeMs earliest_ms) {
  constexpr util::MonoTimeMs kSpanMs = util::MonoTimeMs{1} << (kBits * kLevels);
  const util::MonoTimeMs at_ms = std::clamp(timer.deadline_ms_, earliest_ms, now_ms_ + kSpanMs - 1);
  // The lowest level that reaches so far: a slot's whole content is due within one turn of it.
  const auto distance = static_cast<uint64_t>(at_ms - now_ms_) | 1;
  const int level = (static_cast<int>(std::bit_width(distance)) - 1) / kBits;
  const uint64_t slot = slot_of(at_ms, level);
  timer.level_ = static_cast<uint8_t>(level);
  timer.slot_ = static_cast<uint8_t>(slot);
  slots_[timer.level_][slot].push_back(timer);
  occupied_[timer.level_] |= uint64_t{1} << slot;
}

util::MonoTimeMs TimerWheel::next_wakeup_ms() const {
  util::MonoTimeMs earliest_ms = util::kNever;
  for (int level = 0; level < kLevels; ++level) {
    const uint64_t bits = occupied_[static_cast<size_t>(level)];
    if (bits == 0) continue;
    // Slots ahead of the current one, in order; the current one comes last, a whole turn away.
    const auto current = static_cast<int>(slot_of(now_ms_, level));
    const int ahead = std::countr_zero(std::rotr(bits, (current + 1) % 64)) + 1;
    const util::MonoTimeMs at_ms = ((now_ms_ >> (kBits * level)) + ahead) << (kBits * level);
    earliest_ms = std::min(earliest_ms, at_ms);
  }
  return earliest_ms;
}

void TimerWheel::advance(util::MonoTimeMs now_ms) {
  while (now_ms_ < now_ms) {
    const util::MonoTimeMs next_ms = next_wakeup_ms();
    if (next_ms > now_ms) {
      now_ms_ = now_ms;
      return;
    }
    now_ms_ = next_ms;
    for (int level = kLevels - 1; level > 0; --level) {
      if (now_ms_ % (util::MonoTimeMs{1} << (kBits * level)) == 0) cascade(level);
    }
    fire_current_slot();
  }
}

void TimerWheel::cascade(int level) {
  const uint64_t slot = slot_of(now_ms_, level);
  List sorted_again;
  sorted_again.splice_back(slots_[static_cast<size_t>(level)][slot]);
  occupied_[static_cast<size_t>(level)] &= ~(uint64_t{1} << slot);
  // What is due exactly now lands in the slot that fires now.
  while (Timer* timer = sorted_again.pop_front()) insert(*timer, now_ms_);
}

void TimerWheel::fire_current_slot() {
  const uint64_t slot = slot_of(now_ms_, 0);
  List due;
  due.splice_back(slots_[0][slot]);
  occupied_[0] &= ~(uint64_t{1} << slot);
  while (Timer* timer = due.pop_front()) timer->handler_(timer->owner_.owner_of(timer));
}

}  // namespace lb::event
