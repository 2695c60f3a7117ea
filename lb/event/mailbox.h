// Tasks that other threads hand to a loop, and the eventfd that wakes it. Used for control, a few
// times a second at most, so a mutex is enough.
#pragma once

#include <mutex>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "lb/net/fd.h"

namespace lb::event {

class Mailbox {
 public:
  using Task = absl::AnyInvocable<void()>;

  Mailbox();

  // Any thread. The task waits for the next run().
  void post(Task task);

  // The loop's thread, when wake_fd() is readable: runs what has come so far, in order.
  void run();

  int wake_fd() const { return wake_fd_.get(); }

 private:
  net::UniqueFd wake_fd_;
  std::mutex mutex_;
  std::vector<Task> tasks_;  // guarded by mutex_
};

}  // namespace lb::event
