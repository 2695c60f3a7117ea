// Even load with few long connections. SO_REUSEPORT spreads them by a hash, evenly in the long run;
// of 16 connections on 8 workers one has 4 or more in four runs of five. So a worker that has just
// accepted one, and has not read from it, compares itself with one other, drawn at random ("the
// power of two choices"), and gives it away when the other has fewer by more than an eighth of its
// own. Simulated, with 16 on 8 workers one has 4 in one run of thirty, and none ever 5; the most
// loaded has 1.5 times the mean instead of 2.1, with 32 on 4 it is 1.13 times instead of 1.38.
//
// Handing over costs some microseconds, a posted task and the waking of its receiver. Beyond a
// thousand connections a worker a hash deviates by less than an eighth; with a few dozen short ones
// chance would have every eighth change hands, for nothing. So there is an allowance: a burst, and
// then a hundred a second, less than a thousandth of a core.
//
// What moves is the descriptor, by value, with its place in the ConnectionBudget and its route, as
// the accepting worker has chosen it. It is counted as accepted where it is served. The receiver
// serves it by its own router of the same snapshot, whatever it has adopted since or not yet; when
// that router is gone the connection stays where it is. A worker that drains or stops takes none,
// and does not end before those that had already set out have come (WorkerLoads).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "lb/event/engine.h"
#include "lb/net/fd.h"
#include "lb/proxy/router.h"
#include "lb/proxy/worker_loads.h"
#include "lb/util/random.h"

namespace lb::proxy {

// A worker's part in it. One thread.
class HandOver {
 public:
  // A connection that is to be served here: an accepted socket, and where it goes, as indices into
  // the snapshot of `router`, which is this worker's.
  struct Parcel {
    net::UniqueFd client;
    std::shared_ptr<Router> router;
    size_t listener = 0;
    size_t service = 0;
  };

  // Most that one worker hands over at a moment, and again every so often.
  static constexpr int64_t kBurst = 256;
  static constexpr util::MonoTimeMs kMsPerHandOver = 10;

  // Both must outlive it. `seed` differs from worker to worker.
  HandOver(WorkerLoads& loads, size_t worker, event::Engine& engine, uint64_t seed);
  HandOver(const HandOver&) = delete;
  HandOver& operator=(const HandOver&) = delete;

  size_t worker() const { return worker_; }

  // Takes connections from now on: each comes as a call of `on_parcel`.
  void open(std::function<void(Parcel)> on_parcel);
  // Takes no more but those that are on their way.
  void close() { loads_.close(worker_); }
  bool is_expecting() const { return loads_.is_expecting(worker_); }

  // How many connections this worker has, whenever that changes.
  void set_active(size_t connections) { loads_.set_active(worker_, connections); }

  // Gives the connection to another worker if that is worth it. False: it stays the caller's.
  [[nodiscard]] bool offer(int client_fd, const Router& router, size_t listener, size_t service);

  // The rule: whether a worker with `own` connections gives the next one to one that has `other`.
  static bool is_worth(uint64_t own, uint64_t other) { return own > other + own / 8; }

 private:
  // Another worker, drawn at random, if it is so much lighter; else this one.
  size_t choose();
  bool has_allowance();

  WorkerLoads& loads_;
  const size_t worker_;
  event::Engine& engine_;
  util::Random random_;
  int64_t allowance_ = kBurst;
  util::MonoTimeMs refilled_ms_ = 0;
  std::function<void(Parcel)> on_parcel_;
};

}  // namespace lb::proxy
