// The letters of a manifest: its lines, whether it is text at all, and what a plain scalar means.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/config/position.h"
#include "lb/control/convert/manifest.h"

namespace lb::control {

class ManifestText {
 public:
  // `text` must outlive this.
  explicit ManifestText(std::string_view text);

  // The offset of the first byte that is no UTF-8, or that is a control character no text has.
  std::optional<size_t> find_bad_byte() const;

  // The offset of the flow indicator (one of "[{,") after `most` others.
  std::optional<size_t> find_flow_indicator_after(size_t most) const;

  // Whether the line (from 1) is "---", with or without something after it.
  bool line_begins_document(uint32_t line) const;

  config::SourcePosition place_of(size_t offset, uint32_t file) const;

  // The same place, with a column that counts characters instead of bytes.
  config::SourcePosition in_characters(config::SourcePosition where) const;

 private:
  std::string_view line(uint32_t number) const;

  std::string_view text_;
  std::vector<size_t> line_starts_;
};

// What an unquoted scalar is: null, boolean, integer, number or text.
ManifestNode::Kind plain_scalar_kind(std::string_view value);

// In quotes, printable and not endless, for messages.
std::string in_quotes(std::string_view text);

}  // namespace lb::control
