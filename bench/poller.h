// An epoll instance and who is to be called, nothing more: what drives a proxy must cost as little
// as it can. One thread.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>

#include "lb/net/fd.h"

namespace lb::bench {

// Called when its descriptor is ready. It may close its own descriptor and nobody else's.
class Watcher {
 public:
  virtual void on_ready(uint32_t events) = 0;

 protected:
  ~Watcher() = default;
};

class Poller {
 public:
  Poller();

  // Level-triggered. The watcher outlives the registration, which ends when `fd` is closed.
  void add(int fd, uint32_t events, Watcher& watcher);
  void change(int fd, uint32_t events, Watcher& watcher);

  // Calls whoever is ready, after waiting for at most `wait_ns` (0 = only looks). Ends early on a
  // signal. Returns how many were ready.
  int turn(int64_t wait_ns);

 private:
  net::UniqueFd epoll_;
  std::array<epoll_event, 512> events_;
};

}  // namespace lb::bench
