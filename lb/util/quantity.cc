#include "lb/util/quantity.h"

#include <charconv>
#include <limits>
#include <system_error>

namespace lb::util {
namespace {

// The factor of a suffix; 0 when there is no such suffix.
uint64_t factor_of(std::string_view suffix) {
  struct Suffix {
    std::string_view name;
    uint64_t factor;
  };
  static constexpr Suffix kSuffixes[] = {
      {"", 1},
      {"Ki", uint64_t{1} << 10},
      {"Mi", uint64_t{1} << 20},
      {"Gi", uint64_t{1} << 30},
      {"Ti", uint64_t{1} << 40},
      {"k", 1'000},
      {"M", 1'000'000},
      {"G", 1'000'000'000},
      {"T", 1'000'000'000'000},
  };
  for (const Suffix& known : kSuffixes) {
    if (known.name == suffix) return known.factor;
  }
  return 0;
}

}  // namespace

std::optional<uint64_t> parse_quantity(std::string_view text) {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return std::nullopt;
  const uint64_t factor = factor_of(std::string_view(rest, static_cast<size_t>(end - rest)));
  if (factor == 0 || number > std::numeric_limits<uint64_t>::max() / factor) return std::nullopt;
  return number * factor;
}

}  // namespace lb::util
