// How big and how patient a test is: sanitizer builds are several times slower, so they do less
// and wait longer. SLUICE_TEST_SCALE=0.1 in the environment overrides the amount of work.
#pragma once

#include <chrono>
#include <cstdint>

namespace lb::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

// `full` in a plain build, a share of it (at least `least`) under sanitizers.
uint64_t scaled(uint64_t full, uint64_t least = 1);

// A deadline that must not be met by luck: longer under sanitizers.
std::chrono::milliseconds patience(std::chrono::milliseconds full);

// SLUICE_SEED from the environment, else a new one; printed either way.
uint64_t test_seed();

}  // namespace lb::test
