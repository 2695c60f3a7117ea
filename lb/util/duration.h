// Durations as the Gateway API writes them (GEP-2257): "1h30m", "500ms".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace lb::util {

// Milliseconds. One to four groups of one to five digits and a unit (h, m, s, ms), added up; no
// sign, no fraction, no spaces. Anything else is nullopt. Cannot overflow.
std::optional<int64_t> parse_duration_ms(std::string_view text);

}  // namespace lb::util
