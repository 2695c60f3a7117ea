// A parsed TOML text as plain values with their places. The reader works on these, so that the TOML
// library stays behind one file and its (large) headers are compiled once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "lb/config/position.h"

namespace lb::config {

struct TOMLEntry;
struct TOMLValue;

using TOMLArray = std::vector<TOMLValue>;

// Keys are unique and in no order that matters. Lookup is linear: our tables have a dozen keys.
struct TOMLTable {
  std::vector<TOMLEntry> entries;

  const TOMLEntry* find(std::string_view key) const;
};

// A point in time; a date-time without an offset is taken as UTC.
struct TOMLDateTime {
  int64_t unix_ms = 0;
};

// A date or a time of day alone, which no key of ours takes.
struct TOMLPartialDateTime {};

struct TOMLValue {
  std::variant<std::string, int64_t, double, bool, TOMLDateTime, TOMLPartialDateTime, TOMLArray,
               TOMLTable>
      data;
  SourcePosition where;
};

struct TOMLEntry {
  std::string key;
  SourcePosition where;  // of the key
  TOMLValue value;
};

// With its article: "a string", "an integer", "a table".
std::string_view type_name(const TOMLValue& value);

}  // namespace lb::config
