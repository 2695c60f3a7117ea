// A comparison as a picture that needs nothing else: bars for each workload, as shares of the best
// peer's cost.
#pragma once

#include <string>

#include "bench/comparison.h"

namespace lb::bench {

std::string svg_plot(const Comparison& comparison);

}  // namespace lb::bench
