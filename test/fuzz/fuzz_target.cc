#include "test/fuzz/fuzz_target.h"

#include <cstdio>
#include <cstdlib>

namespace lb::fuzz {

void require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

}  // namespace lb::fuzz
