#include "lb/config/fault.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace lb::config {
namespace {

// How much of a long line is shown, in characters around the column.
constexpr size_t kShownBefore = 80;
constexpr size_t kShownInAll = 160;

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

// The byte at which character `index` begins, counted from 0; the text's size when there are not
// that many.
size_t byte_of_character(std::string_view text, size_t index) {
  for (size_t byte = 0; byte < text.size(); ++byte) {
    if (begins_character(text[byte]) && index-- == 0) return byte;
  }
  return text.size();
}

// Spaces that are as wide as `text`: a tab stays a tab, every other character becomes one space.
std::string blank(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (begins_character(c)) out.push_back(c == '\t' ? '\t' : ' ');
  }
  return out;
}

// The source line and, below it, the caret.
std::string quote_source(const Fault& fault) {
  const size_t column = std::max<size_t>(fault.where.column, 1) - 1;
  std::string_view line = fault.source_line;
  const size_t first = column > kShownBefore ? byte_of_character(line, column - kShownBefore) : 0;
  const size_t caret = byte_of_character(line, column);
  line = line.substr(first);
  line = line.substr(0, byte_of_character(line, kShownInAll));
  const std::string before = printable(line.substr(0, caret - first));
  return fmt::format("{}{}\n{}^\n", before, printable(line.substr(caret - first)), blank(before));
}

std::vector<size_t> line_starts(std::string_view text) {
  std::vector<size_t> starts{0};
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') starts.push_back(i + 1);
  }
  return starts;
}

std::string_view line_at(std::string_view text, size_t start) {
  std::string_view line = text.substr(start);
  line = line.substr(0, line.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

void locate(std::vector<Fault>& faults, const std::vector<Source>& sources) {
  std::stable_sort(faults.begin(), faults.end(),
                   [](const Fault& a, const Fault& b) { return a.where < b.where; });
  size_t source = sources.size();
  std::vector<size_t> starts;
  for (Fault& fault : faults) {
    if (fault.where.file >= sources.size()) continue;
    const Source& from = sources[fault.where.file];
    if (source != fault.where.file) {
      source = fault.where.file;
      starts = line_starts(from.text);
    }
    fault.file = from.name;
    if (fault.where.line >= 1 && fault.where.line <= starts.size()) {
      fault.source_line = line_at(from.text, starts[fault.where.line - 1]);
    }
  }
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool control = (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
    if (control) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string place_text(SourcePosition place, SourcePosition here,
                       const std::vector<Source>& sources) {
  if (place.file == here.file || place.file >= sources.size()) {
    return fmt::format("line {}", place.line);
  }
  return fmt::format("{}:{}", sources[place.file].name, place.line);
}

std::string code_text(const Fault& fault) {
  return fmt::format("{}{:04}", fault.severity == Severity::kError ? 'E' : 'W',
                     static_cast<unsigned>(fault.code));
}

std::string format(const Fault& fault) {
  std::string out = fault.file;
  if (fault.where.line > 0) out += fmt::format(":{}:{}", fault.where.line, fault.where.column);
  out += fmt::format(": {}[{}]: {}\n", fault.severity == Severity::kError ? "error" : "warning",
                     code_text(fault), printable(fault.message));
  if (!fault.source_line.empty()) out += quote_source(fault);
  if (!fault.suggestion.empty()) {
    out += fmt::format("  did you mean \"{}\"?\n", printable(fault.suggestion));
  }
  return out;
}

}  // namespace lb::config
