// TCP ports for listeners of tests: below the range from which the kernel takes client ports, so
// that no client of a parallel test sits on one, and never the same for two test processes.
#pragma once

#include <cstdint>

namespace lb::test {

// A port that nothing listens on, on any address, and that no other caller gets, in this process
// or in another one of this network namespace, while this process lives. Any thread.
uint16_t allocate_port();

}  // namespace lb::test
