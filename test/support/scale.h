// How big and how patient a test is: sanitized programs are several times slower, so tests of them
// do less and wait longer. SLUICE_TEST_SCALE=0.1 in the environment overrides the amount of work.
#pragma once

#include <chrono>
#include <cstdint>

namespace lb::test {

// Whether this program is built with a sanitizer, or, by SLUICE_SANITIZED in the environment, the
// one that it drives.
bool is_sanitized();

// `full`, or a share of it (at least `least`) when it is sanitized.
uint64_t scaled(uint64_t full, uint64_t least = 1);

// A deadline that must not be met by luck: longer when it is sanitized.
std::chrono::milliseconds patience(std::chrono::milliseconds full);

// SLUICE_SEED from the environment, else a new one; printed either way.
uint64_t test_seed();

}  // namespace lb::test
