#include "bench/poller.h"

#include <time.h>

#include <cstddef>

namespace lb::bench {

Poller::Poller() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

void Poller::add(int fd, uint32_t events, Watcher& watcher) {
  epoll_event event = {};
  event.events = events;
  event.data.ptr = &watcher;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Poller::change(int fd, uint32_t events, Watcher& watcher) {
  epoll_event event = {};
  event.events = events;
  event.data.ptr = &watcher;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

int Poller::turn(int64_t wait_ns) {
  const timespec wait = {wait_ns / 1'000'000'000, wait_ns % 1'000'000'000};
  const int count =
      epoll_pwait2(epoll_.get(), events_.data(), static_cast<int>(events_.size()), &wait, nullptr);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events_[static_cast<size_t>(i)];
    static_cast<Watcher*>(event.data.ptr)->on_ready(event.events);
  }
  return count;
}

}  // namespace lb::bench
