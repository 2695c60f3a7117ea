#include "lb/util/duration.h"

#include <cstddef>

namespace lb::util {
namespace {

constexpr size_t kMaxGroups = 4;
constexpr size_t kMaxDigits = 5;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes the unit off the front of `text` and returns its milliseconds; 0 when there is none.
int64_t take_unit(std::string_view& text) {
  struct Unit {
    std::string_view name;
    int64_t ms;
  };
  // "ms" before "m", which begins it.
  static constexpr Unit kUnits[] = {{"ms", 1}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}};
  for (const Unit& unit : kUnits) {
    if (text.starts_with(unit.name)) {
      text.remove_prefix(unit.name.size());
      return unit.ms;
    }
  }
  return 0;
}

}  // namespace

std::optional<int64_t> parse_duration_ms(std::string_view text) {
  int64_t total_ms = 0;
  size_t groups = 0;
  while (!text.empty()) {
    if (++groups > kMaxGroups) return std::nullopt;
    int64_t number = 0;
    size_t digits = 0;
    while (digits < text.size() && is_digit(text[digits])) {
      if (digits == kMaxDigits) return std::nullopt;
      number = number * 10 + (text[digits] - '0');
      ++digits;
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
    const int64_t unit_ms = take_unit(text);
    if (unit_ms == 0) return std::nullopt;
    total_ms += number * unit_ms;
  }
  if (groups == 0) return std::nullopt;
  return total_ms;
}

}  // namespace lb::util
