// Where something stands in the configuration's text. Every object of the model carries one, so
// that a fault found long after reading can still point at its line.
#pragma once

#include <compare>
#include <cstdint>
#include <tuple>

namespace lb::config {

// Ordered as the text is read. `file` is an index into the sources of the load (load.h); lines and
// columns count from 1 and columns count characters, not bytes. Line 0 means "the file as a whole",
// or an object that no file has.
struct SourcePosition {
  uint32_t file = 0;
  uint32_t line = 0;
  uint32_t column = 0;

  friend bool operator==(const SourcePosition&, const SourcePosition&) = default;
  friend std::strong_ordering operator<=>(const SourcePosition& a, const SourcePosition& b) {
    return std::tie(a.file, a.line, a.column) <=> std::tie(b.file, b.line, b.column);
  }
};

}  // namespace lb::config
