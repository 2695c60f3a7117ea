#include "test/sim/sim_schedule.h"

#include <algorithm>
#include <utility>

namespace lb::sim {

void SimSchedule::after(util::MonoTimeMs delay_ms, Task task) {
  events_.push(
      Event{now_ms_ + std::max<util::MonoTimeMs>(delay_ms, 0), random_.next(), std::move(task)});
}

util::MonoTimeMs SimSchedule::random_delay_ms() {
  if (happens(options_.pause_one_in)) {
    return static_cast<util::MonoTimeMs>(random_.below(options_.pause_ms + 1));
  }
  if (happens(options_.prompt_one_in)) return 0;
  return static_cast<util::MonoTimeMs>(random_.below(options_.max_delay_ms + 1));
}

size_t SimSchedule::random_size(size_t most) {
  if (most <= 1 || !happens(options_.short_one_in)) return most;
  // Half of the short ones are very short.
  return 1 + random_.below(random_.one_in(2) ? std::min<size_t>(most, 16) : most);
}

util::MonoTimeMs SimSchedule::next_ms() const {
  return events_.empty() ? util::kNever : events_.top().at_ms;
}

void SimSchedule::run_due() {
  std::vector<Task> due;
  while (!events_.empty() && events_.top().at_ms <= now_ms_) {
    due.push_back(std::move(events_.top().task));
    events_.pop();
  }
  for (Task& task : due) task();
}

}  // namespace lb::sim
