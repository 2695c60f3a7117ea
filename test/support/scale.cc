#include "test/support/scale.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace lb::test {

bool is_sanitized() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return true;
#endif
#endif
  return std::getenv("SLUICE_SANITIZED") != nullptr;
}

uint64_t scaled(uint64_t full, uint64_t least) {
  double scale = is_sanitized() ? 0.1 : 1.0;
  if (const char* text = std::getenv("SLUICE_TEST_SCALE")) scale = std::strtod(text, nullptr);
  return std::max(least, static_cast<uint64_t>(static_cast<double>(full) * scale));
}

std::chrono::milliseconds patience(std::chrono::milliseconds full) {
  return is_sanitized() ? 4 * full : full;
}

uint64_t test_seed() {
  uint64_t seed = 0;
  if (const char* text = std::getenv("SLUICE_SEED")) {
    seed = std::strtoull(text, nullptr, 0);
  } else {
    std::random_device device;
    seed = (static_cast<uint64_t>(device()) << 32) | device();
  }
  std::printf("SLUICE_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  return seed;
}

}  // namespace lb::test
