#include "lb/control/convert/manifest_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace lb::control {
namespace {

constexpr size_t kMaxQuotedBytes = 80;

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80; }

// The length of the well-formed UTF-8 sequence at the front, 0 when there is none (RFC 3629).
size_t sequence_length(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) return 0;
  }
  const unsigned char second = byte(1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool no_character = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return overlong || no_character ? 0 : length;
}

bool is_bad_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
}

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view without_sign(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return text;
}

bool fits_int64(std::string_view text) {
  if (text[0] == '+') text.remove_prefix(1);
  int64_t value = 0;
  return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
}

bool is_number(std::string_view digits) {
  if (digits == ".inf" || digits == ".Inf" || digits == ".INF" || digits == ".nan" ||
      digits == ".NaN" || digits == ".NAN") {
    return true;
  }
  if (digits.starts_with("0x") || digits.starts_with("0o")) {
    return digits.size() > 2 &&
           digits.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos;
  }
  if (digits.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return false;
  if (digits.find_first_of("0123456789") > 1) return false;
  double value = 0;
  const char* const end = digits.data() + digits.size();
  return std::from_chars(digits.data(), end, value).ptr == end;
}

}  // namespace

ManifestText::ManifestText(std::string_view text) : text_(text), line_starts_{0} {
  for (size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    line_starts_.push_back(at + 1);
  }
}

std::optional<size_t> ManifestText::find_bad_byte() const {
  for (size_t at = 0; at < text_.size();) {
    const size_t length = sequence_length(text_.substr(at));
    if (length == 0 || is_bad_control(text_[at])) return at;
    at += length;
  }
  return std::nullopt;
}

std::optional<size_t> ManifestText::find_flow_indicator_after(size_t most) const {
  for (size_t at = 0; at < text_.size(); ++at) {
    if (text_[at] != '[' && text_[at] != '{' && text_[at] != ',') continue;
    if (most-- == 0) return at;
  }
  return std::nullopt;
}

std::string_view ManifestText::line(uint32_t number) const {
  if (number == 0 || number > line_starts_.size()) return {};
  const size_t begin = line_starts_[number - 1];
  const size_t end = number < line_starts_.size() ? line_starts_[number] - 1 : text_.size();
  return text_.substr(begin, end - begin);
}

bool ManifestText::line_begins_document(uint32_t number) const {
  const std::string_view text = line(number);
  return text.starts_with("---") &&
         (text.size() == 3 || text[3] == ' ' || text[3] == '\t' || text[3] == '\r');
}

config::SourcePosition ManifestText::place_of(size_t offset, uint32_t file) const {
  const auto after = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
  const size_t start = *(after - 1);
  const auto number = static_cast<uint32_t>(after - line_starts_.begin());
  return in_characters({file, number, static_cast<uint32_t>(offset - start) + 1});
}

config::SourcePosition ManifestText::in_characters(config::SourcePosition where) const {
  if (where.column == 0) return where;
  const std::string_view before =
      line(where.line).substr(0, std::min<size_t>(where.column - 1, line(where.line).size()));
  const auto extra = std::count_if(before.begin(), before.end(), is_continuation);
  where.column -= static_cast<uint32_t>(extra);
  return where;
}

ManifestNode::Kind plain_scalar_kind(std::string_view value) {
  using Kind = ManifestNode::Kind;
  if (value.empty() || value == "~" || value == "null" || value == "Null" || value == "NULL") {
    return Kind::kNull;
  }
  for (const std::string_view word :
       {"true", "True", "TRUE", "false", "False", "FALSE", "yes", "Yes", "YES", "no", "No", "NO",
        "on", "On", "ON", "off", "Off", "OFF"}) {
    if (value == word) return Kind::kBoolean;
  }
  const std::string_view digits = without_sign(value);
  if (is_digits(digits)) {
    // 010 is eight to some readers and ten to others.
    const bool clear = digits.size() == 1 || digits[0] != '0';
    return clear && fits_int64(value) ? Kind::kInteger : Kind::kNumber;
  }
  return is_number(digits) ? Kind::kNumber : Kind::kText;
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, kMaxQuotedBytes)) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (is_bad_control(c) || c == '\n' || c == '\r' || c == '\t') {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  // A character that the cut went through goes as a whole.
  if (text.size() > kMaxQuotedBytes) {
    size_t end = kMaxQuotedBytes;
    while (end > 0 && is_continuation(text[end])) {
      --end;
      out.pop_back();
    }
    out += "...";
  }
  return out + "\"";
}

}  // namespace lb::control
