// Sizes as Kubernetes writes its quantities: "64Ki", "1M", "4096".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace lb::util {

// Digits and at most one suffix: Ki Mi Gi Ti (powers of 1024) or k M G T (powers of 1000). No sign,
// no fraction, no spaces. Anything else, and what does not fit into 64 bits, is nullopt.
std::optional<uint64_t> parse_quantity(std::string_view text);

}  // namespace lb::util
