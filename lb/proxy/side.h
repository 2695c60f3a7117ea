// The two ends of a connection. What is kept by direction is kept by the side it comes from.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lb::proxy {

enum class Side : uint8_t { kDownstream = 0, kUpstream = 1 };

inline constexpr size_t kSides = 2;

constexpr Side other(Side side) {
  return side == Side::kDownstream ? Side::kUpstream : Side::kDownstream;
}

constexpr size_t index_of(Side side) { return static_cast<size_t>(side); }

}  // namespace lb::proxy
