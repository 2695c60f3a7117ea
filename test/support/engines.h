// The engines that a black-box test runs on.
#pragma once

#include <string>
#include <vector>

namespace lb::test {

// "io_uring" and "epoll", or the one that SLUICE_ENGINE names. io_uring is left out, with a printed
// line, only where the kernel refuses it or the binary was built without it.
std::vector<std::string> engines();

}  // namespace lb::test

// Runs the rest of a TEST_CASE once for each engine.
#define SLUICE_EACH_ENGINE() GENERATE(from_range(lb::test::engines()))
