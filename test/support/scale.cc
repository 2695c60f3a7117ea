#include "test/support/scale.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace lb::test {

uint64_t scaled(uint64_t full, uint64_t least) {
  double scale = kSanitized ? 0.1 : 1.0;
  if (const char* text = std::getenv("SLUICE_TEST_SCALE")) scale = std::strtod(text, nullptr);
  return std::max(least, static_cast<uint64_t>(static_cast<double>(full) * scale));
}

std::chrono::milliseconds patience(std::chrono::milliseconds full) {
  return kSanitized ? 4 * full : full;
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
