// Virtual time: what is to happen when. Events of the same millisecond happen in an order that the
// seeded generator chooses, so that no test relies on one. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <queue>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "lb/util/clock.h"
#include "lb/util/random.h"

namespace lb::sim {

// What the generator may do to a run. A "one in n" of 0 means never.
struct SimOptions {
  uint64_t seed = 0;
  // Bytes and completions take up to this long, and a long pause now and then.
  uint32_t max_delay_ms = 5;
  uint32_t pause_one_in = 100;
  uint32_t pause_ms = 500;
  // A result comes in the turn that could produce it at the earliest, once in so many times.
  uint32_t prompt_one_in = 2;
  // Room of a socket in each direction and at each end.
  uint32_t min_socket_bytes = 1;
  uint32_t max_socket_bytes = 65536;
  // Receives, sends and deliveries move a part of what they could, once in so many times.
  uint32_t short_one_in = 3;
  // Receives that find no buffer although there is one.
  uint32_t starve_one_in = 0;
  // Turns that begin late, because the thread was busy elsewhere.
  uint32_t late_turn_one_in = 10;
  uint32_t late_turn_ms = 5;
  // Sockets that cannot be had.
  uint32_t emfile_one_in = 0;
  // Source addresses that cannot be had, and connects that find no port of theirs.
  uint32_t no_source_one_in = 0;
};

class SimSchedule {
 public:
  using Task = absl::AnyInvocable<void()>;

  SimSchedule(const SimOptions& options, util::MonoTimeMs now_ms)
      : options_(options), random_(options.seed), now_ms_(now_ms) {}

  const SimOptions& options() const { return options_; }
  util::Random& random() { return random_; }
  util::MonoTimeMs now_ms() const { return now_ms_; }

  void after(util::MonoTimeMs delay_ms, Task task);
  // After a delay that the generator chooses.
  void soon(Task task) { after(random_delay_ms(), std::move(task)); }
  util::MonoTimeMs random_delay_ms();

  bool happens(uint32_t one_in) { return one_in != 0 && random_.one_in(one_in); }
  // Between 1 and `most`; all of it unless this is to be a short one.
  size_t random_size(size_t most);

  // kNever when nothing is to happen.
  util::MonoTimeMs next_ms() const;
  // Time never goes back.
  void move_to(util::MonoTimeMs now_ms) { now_ms_ = std::max(now_ms_, now_ms); }
  // Runs what is due; what that brings about waits for the next call.
  void run_due();

 private:
  struct Event {
    util::MonoTimeMs at_ms;
    uint64_t tie;
    mutable Task task;
    bool operator<(const Event& other) const {
      return at_ms != other.at_ms ? at_ms > other.at_ms : tie > other.tie;
    }
  };

  SimOptions options_;
  util::Random random_;
  util::MonoTimeMs now_ms_;
  std::priority_queue<Event> events_;
};

}  // namespace lb::sim
