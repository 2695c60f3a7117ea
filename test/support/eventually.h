// Waiting for something that another process does: ask until it is so, or until a deadline.
#pragma once

#include <chrono>
#include <thread>

#include "test/support/scale.h"

namespace lb::test {

// True as soon as `condition()` is; false when it was not within `timeout` (scaled).
template <typename Condition>
bool eventually(const Condition& condition,
                std::chrono::milliseconds timeout = std::chrono::seconds(5)) {
  const auto deadline = std::chrono::steady_clock::now() + patience(timeout);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return condition();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace lb::test
