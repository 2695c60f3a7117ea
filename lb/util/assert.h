// Assertions that stay in release builds: a violated invariant of the data path must stop the
// process before it can mix the bytes of two connections.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace lb::util {

[[noreturn]] inline void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace lb::util

#define LB_ASSERT(condition)          \
  ((condition) ? static_cast<void>(0) \
               : ::lb::util::assertion_failed(#condition, __FILE__, __LINE__))
