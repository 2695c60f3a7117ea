// The wheel against a sorted multimap: the same timers, the same times, over random work.
#include "lb/event/timer_wheel.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "lb/util/random.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::event {
namespace {

using util::MonoTimeMs;

constexpr MonoTimeMs kSpanMs = MonoTimeMs{1} << 30;  // 64^5

// A timer that runs what a test gives it.
struct Alarm {
  Alarm() { timer.bind<&Alarm::fire>(this); }
  // A test that has failed may leave its timers running.
  ~Alarm() {
    if (timer.is_running()) timer.unlink();
  }
  void fire() {
    ++fired;
    if (on_fire) on_fire();
  }
  Timer timer;
  int fired = 0;
  std::function<void()> on_fire;
};

// A wheel and the multimap that it must agree with, under one clock.
class Duel {
 public:
  Duel(uint64_t seed, MonoTimeMs start_ms, size_t count)
      : random_(seed),
        now_ms_(start_ms),
        last_ms_(start_ms),
        reached_ms_(start_ms),
        wheel_(start_ms),
        alarms_(count) {
    for (Alarm& alarm : alarms_) {
      alarm.on_fire = [this, &alarm] { check_fired(alarm); };
    }
  }

  void start_random(Alarm& alarm) {
    stop(alarm);
    const MonoTimeMs deadline_ms = now_ms_ + random_delay_ms();
    // What is due already fires at the next tick.
    model_.emplace(std::max(deadline_ms, reached_ms_ + 1), &alarm);
    wheel_.start(alarm.timer, deadline_ms);
  }

  void stop(Alarm& alarm) {
    std::erase_if(model_, [&](const auto& entry) { return entry.second == &alarm; });
    wheel_.stop(alarm.timer);
  }

  Alarm& any() { return alarms_[random_.below(alarms_.size())]; }

  // Goes on to `to_ms`; nothing that is due may be left, and what fires is checked as it does.
  void advance(MonoTimeMs to_ms) {
    last_ms_ = now_ms_;
    now_ms_ = to_ms;
    wheel_.advance(to_ms);
    reached_ms_ = to_ms;
    REQUIRE((model_.empty() || model_.begin()->first > now_ms_));
    check_wakeup();
  }

  void check_wakeup() {
    const MonoTimeMs wakeup_ms = wheel_.next_wakeup_ms();
    if (model_.empty()) {
      REQUIRE(wakeup_ms == util::kNever);
      return;
    }
    REQUIRE(wakeup_ms <= model_.begin()->first);
    REQUIRE(wakeup_ms > now_ms_);  // else the loop would spin
  }

  MonoTimeMs now_ms() const { return now_ms_; }
  MonoTimeMs next_wakeup_ms() const { return wheel_.next_wakeup_ms(); }
  util::Random& random() { return random_; }
  void set_busy_handlers(bool busy) { busy_handlers_ = busy; }
  uint64_t fired() const { return fired_; }

 private:
  MonoTimeMs random_delay_ms() {
    switch (random_.below(8)) {
      case 0:
        return -static_cast<MonoTimeMs>(random_.below(100));
      case 1:
        return static_cast<MonoTimeMs>(random_.below(3));
      case 2:
        return static_cast<MonoTimeMs>(random_.below(64));
      case 3:
        return 64 * static_cast<MonoTimeMs>(random_.below(64)) - 1;
      case 4:
        return static_cast<MonoTimeMs>(random_.below(5000));
      case 5:
        return MonoTimeMs{1} << random_.below(32);
      case 6:
        return static_cast<MonoTimeMs>(random_.below(300'000));
      default:
        return static_cast<MonoTimeMs>(random_.below(uint64_t{1} << random_.below(34)));
    }
  }

  // The wheel fires in the order of the milliseconds; within one, any order will do.
  void check_fired(Alarm& alarm) {
    ++fired_;
    REQUIRE_FALSE(model_.empty());
    const MonoTimeMs due_ms = model_.begin()->first;
    REQUIRE(due_ms <= now_ms_);
    REQUIRE(due_ms > last_ms_);
    reached_ms_ = due_ms;
    const auto entry = std::find_if(model_.begin(), model_.end(),
                                    [&](const auto& e) { return e.second == &alarm; });
    REQUIRE(entry != model_.end());
    REQUIRE(entry->first == due_ms);
    REQUIRE_FALSE(alarm.timer.is_running());
    model_.erase(entry);
    if (!busy_handlers_) return;
    // Handlers may do anything to any timer.
    if (random_.one_in(3)) stop(any());
    if (random_.one_in(3)) start_random(alarm);
    if (random_.one_in(3)) start_random(any());
  }

  util::Random random_;
  MonoTimeMs now_ms_;
  MonoTimeMs last_ms_;
  MonoTimeMs reached_ms_;  // how far the wheel is, also in the middle of a big step
  TimerWheel wheel_;
  std::deque<Alarm> alarms_;
  std::multimap<MonoTimeMs, Alarm*> model_;
  bool busy_handlers_ = false;
  uint64_t fired_ = 0;
};

}  // namespace

TEST_CASE("timer_wheel: random timers fire at the exact millisecond") {
  const uint64_t seed = test::test_seed();
  const auto runs = test::scaled(40, 4);
  for (uint64_t run = 0; run < runs; ++run) {
    util::Random random(seed + run);
    Duel duel(seed + run, static_cast<MonoTimeMs>(random.below(uint64_t{1} << 40)), 100);
    duel.set_busy_handlers(run % 2 == 1);
    for (int step = 0; step < 20000; ++step) {
      if (random.one_in(10)) duel.start_random(duel.any());
      if (random.one_in(40)) duel.stop(duel.any());
      duel.check_wakeup();
      duel.advance(duel.now_ms() + 1);
    }
    CHECK(duel.fired() > 100);
  }
}

TEST_CASE("timer_wheel: a loop that sleeps until next_wakeup_ms fires everything on time") {
  const uint64_t seed = test::test_seed();
  const auto runs = test::scaled(40, 4);
  for (uint64_t run = 0; run < runs; ++run) {
    util::Random random(seed + run);
    Duel duel(seed + run, static_cast<MonoTimeMs>(random.below(uint64_t{1} << 40)), 100);
    duel.set_busy_handlers(run % 2 == 1);
    for (int step = 0; step < 5000; ++step) {
      duel.start_random(duel.any());
      if (random.one_in(10)) duel.stop(duel.any());
      // Now and then something else wakes the loop before its timer does.
      const MonoTimeMs wakeup_ms = duel.next_wakeup_ms();
      const auto distance = static_cast<uint64_t>(wakeup_ms - duel.now_ms());
      const bool is_early = wakeup_ms == util::kNever || random.one_in(3);
      duel.advance(is_early ? duel.now_ms() + static_cast<MonoTimeMs>(random.below(
                                                  std::min<uint64_t>(distance, 100'000)))
                            : wakeup_ms);
    }
    CHECK(duel.fired() > 100);
  }
}

TEST_CASE("timer_wheel: every delay up to two spans fires at its millisecond") {
  // The edges of every level, from starts at the edges of every level.
  std::vector<MonoTimeMs> edges = {0};
  for (int bits = 0; bits <= 31; ++bits) {
    for (const MonoTimeMs delta : {-1, 0, 1}) edges.push_back((MonoTimeMs{1} << bits) + delta);
  }
  for (const MonoTimeMs start_ms : edges) {
    for (const MonoTimeMs delay_ms : edges) {
      TimerWheel wheel(start_ms);
      Alarm alarm;
      wheel.start(alarm.timer, start_ms + delay_ms);
      const MonoTimeMs due_ms = start_ms + std::max<MonoTimeMs>(delay_ms, 1);
      CAPTURE(start_ms, delay_ms);
      int wakeups = 0;
      while (alarm.fired == 0) {
        const MonoTimeMs wakeup_ms = wheel.next_wakeup_ms();
        REQUIRE(wakeup_ms <= due_ms);
        REQUIRE(++wakeups <= 20);  // a few sortings on the way, no more
        wheel.advance(wakeup_ms - 1);
        REQUIRE(alarm.fired == 0);
        wheel.advance(wakeup_ms);
        REQUIRE((alarm.fired == 1) == (wakeup_ms == due_ms));
      }
      REQUIRE(wheel.next_wakeup_ms() == util::kNever);
    }
  }
}

TEST_CASE("timer_wheel: one big step fires all that is due, in order") {
  TimerWheel wheel(1000);
  std::deque<Alarm> alarms(500);
  std::vector<MonoTimeMs> order;
  util::Random random(7);
  for (Alarm& alarm : alarms) {
    const auto delay_ms = static_cast<MonoTimeMs>(1 + random.below(kSpanMs * 2));
    wheel.start(alarm.timer, 1000 + delay_ms);
    alarm.on_fire = [&] { order.push_back(alarm.timer.deadline_ms()); };
  }
  wheel.advance(1000 + 2 * kSpanMs);
  CHECK(order.size() == alarms.size());
  CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("timer_wheel: a handler stops timers that are due in the same millisecond") {
  TimerWheel wheel(0);
  Alarm first;
  Alarm second;
  Alarm third;
  for (Alarm* alarm : {&first, &second, &third}) wheel.start(alarm->timer, 50);
  // Whichever fires first stops the others.
  for (Alarm* alarm : {&first, &second, &third}) {
    alarm->on_fire = [&, alarm] {
      for (Alarm* other : {&first, &second, &third}) {
        if (other == alarm) continue;
        wheel.stop(other->timer);
        CHECK_FALSE(other->timer.is_running());
      }
    };
  }
  wheel.advance(50);
  CHECK(first.fired + second.fired + third.fired == 1);
  CHECK(wheel.next_wakeup_ms() == util::kNever);
  wheel.advance(200);
  CHECK(first.fired + second.fired + third.fired == 1);
}

TEST_CASE("timer_wheel: a handler moves a timer that is due in the same millisecond") {
  TimerWheel wheel(0);
  Alarm first;
  Alarm second;
  wheel.start(first.timer, 50);
  wheel.start(second.timer, 50);
  first.on_fire = [&] { wheel.start(second.timer, 51); };
  wheel.advance(50);
  CHECK(first.fired == 1);
  CHECK(second.fired == 0);
  CHECK(wheel.next_wakeup_ms() == 51);
  wheel.advance(51);
  CHECK(second.fired == 1);
}

TEST_CASE("timer_wheel: a handler that starts its own timer at once does not hold advance up") {
  TimerWheel wheel(0);
  Alarm alarm;
  alarm.on_fire = [&] { wheel.start(alarm.timer, 0); };
  wheel.start(alarm.timer, 0);
  wheel.advance(10);
  CHECK(alarm.fired == 10);
  wheel.stop(alarm.timer);
}

TEST_CASE("timer_wheel: start moves a running timer, stop and stop again is harmless") {
  TimerWheel wheel(0);
  Alarm alarm;
  wheel.start(alarm.timer, 10);
  wheel.start(alarm.timer, 1'000'000);
  CHECK(alarm.timer.deadline_ms() == 1'000'000);
  wheel.advance(999'999);
  CHECK(alarm.fired == 0);
  wheel.start(alarm.timer, 1'000'001);
  wheel.advance(1'000'000);
  CHECK(alarm.fired == 0);
  wheel.advance(1'000'001);
  CHECK(alarm.fired == 1);
  wheel.stop(alarm.timer);
  wheel.stop(alarm.timer);
  CHECK(wheel.next_wakeup_ms() == util::kNever);
}

TEST_CASE("timer_wheel: time that stands still or goes back fires nothing") {
  TimerWheel wheel(100);
  Alarm alarm;
  wheel.start(alarm.timer, 90);  // due already: at the next advance
  wheel.advance(100);
  wheel.advance(50);
  CHECK(alarm.fired == 0);
  wheel.advance(101);
  CHECK(alarm.fired == 1);
}

}  // namespace lb::event
