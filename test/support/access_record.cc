#include "test/support/access_record.h"

#include <charconv>

#include "test/support/failure.h"

namespace lb::test {
namespace {

// Takes a value off the front of `rest`; false when its quotes do not close.
bool take_value(std::string_view& rest, std::string& value) {
  if (rest.empty() || rest.front() != '"') {
    const size_t end = rest.find(' ');
    value = std::string(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
    return value.find('"') == std::string::npos;
  }
  rest.remove_prefix(1);
  while (!rest.empty() && rest.front() != '"') {
    if (rest.front() == '\\') rest.remove_prefix(1);
    if (rest.empty()) return false;
    value += rest.front();
    rest.remove_prefix(1);
  }
  if (rest.empty()) return false;
  rest.remove_prefix(1);
  return rest.empty() || rest.front() == ' ';
}

}  // namespace

std::optional<std::map<std::string, std::string>> parse_logfmt(std::string_view line) {
  std::map<std::string, std::string> fields;
  while (!line.empty()) {
    const size_t equals = line.find('=');
    const std::string_view key = line.substr(0, equals);
    if (equals == std::string_view::npos || key.empty() ||
        key.find_first_of(" \"") != std::string_view::npos) {
      return std::nullopt;
    }
    line.remove_prefix(equals + 1);
    std::string value;
    if (!take_value(line, value)) return std::nullopt;
    fields[std::string(key)] = value;
    if (!line.empty()) line.remove_prefix(1);
  }
  return fields;
}

std::optional<AccessRecord> AccessRecord::parse(std::string_view line) {
  auto fields = parse_logfmt(line);
  if (!fields.has_value() || !fields->contains("close") || !fields->contains("bytes_in")) {
    return std::nullopt;
  }
  AccessRecord record;
  record.line_ = std::string(line);
  record.fields_ = std::move(*fields);
  return record;
}

const std::string& AccessRecord::text(const std::string& key) const {
  const auto found = fields_.find(key);
  if (found == fields_.end()) throw Failure("no " + key + " in: " + line_);
  return found->second;
}

int64_t AccessRecord::number(const std::string& key) const {
  const std::string& value = text(key);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error == std::errc() && end == value.data() + value.size()) return number;
  // Milliseconds may come with a fraction.
  try {
    size_t used = 0;
    const double real = std::stod(value, &used);
    if (used == value.size()) return static_cast<int64_t>(real);
  } catch (const std::exception&) {
  }
  throw Failure(key + " is not a number in: " + line_);
}

std::string AccessRecord::close_word() const {
  const std::string& close = text("close");
  return close.substr(0, close.find('@'));
}

std::string AccessRecord::close_place() const {
  const std::string& close = text("close");
  const size_t at = close.find('@');
  return at == std::string::npos ? "" : close.substr(at + 1);
}

}  // namespace lb::test
