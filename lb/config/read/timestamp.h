// Points in time as the API writes them (RFC 3339).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lb::config {

struct CivilTime {
  int year = 1970;
  unsigned month = 1;
  unsigned day = 1;
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  unsigned millisecond = 0;
  int offset_minutes = 0;  // east of UTC
};

// Milliseconds since the Unix epoch; nullopt when there is no such day or time. A leap second
// counts as the next one.
std::optional<int64_t> to_unix_ms(const CivilTime& time);

// "2024-05-01T12:00:00Z", with a fraction and an offset if there are any. Anything else is nullopt.
std::optional<int64_t> parse_rfc3339_ms(std::string_view text);

// "2024-05-01T12:00:00Z": in UTC, cut to the second, as the API writes times in conditions.
std::string format_rfc3339(int64_t unix_ms);

}  // namespace lb::config
