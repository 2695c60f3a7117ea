// The one file that sees the TOML library: it turns the library's tree into toml_value.h and its
// exception, which leaves this file nowhere, into a TOMLSyntaxError.
#include "lb/config/read/toml_parse.h"

#include <toml++/toml.h>

#include <exception>
#include <optional>
#include <utility>

#include "lb/config/read/timestamp.h"

namespace lb::config {
namespace {

// The library recurses once per dot of a key, when it frees the tables too, and ends in a stack
// overflow at some tens of thousands. It bounds nested brackets by itself (256).
constexpr size_t kMaxDotsInKey = 48;

SourcePosition position_of(const toml::source_region& region, uint32_t file) {
  return {file, region.begin.line, region.begin.column};
}

TOMLValue convert(const toml::node& node, uint32_t file);

TOMLTable convert_table(const toml::table& table, uint32_t file) {
  TOMLTable out;
  out.entries.reserve(table.size());
  for (const auto& [key, node] : table) {
    out.entries.push_back(
        {std::string(key.str()), position_of(key.source(), file), convert(node, file)});
  }
  return out;
}

TOMLArray convert_array(const toml::array& array, uint32_t file) {
  TOMLArray out;
  out.reserve(array.size());
  for (const toml::node& node : array) out.push_back(convert(node, file));
  return out;
}

TOMLDateTime convert_date_time(const toml::date_time& time) {
  const CivilTime civil{.year = time.date.year,
                        .month = time.date.month,
                        .day = time.date.day,
                        .hour = time.time.hour,
                        .minute = time.time.minute,
                        .second = time.time.second,
                        .millisecond = time.time.nanosecond / 1'000'000,
                        .offset_minutes = time.offset ? time.offset->minutes : 0};
  return {to_unix_ms(civil).value_or(0)};  // the library has checked every part
}

TOMLValue convert(const toml::node& node, uint32_t file) {
  TOMLValue out;
  out.where = position_of(node.source(), file);
  if (const toml::table* table = node.as_table()) {
    out.data = convert_table(*table, file);
  } else if (const toml::array* array = node.as_array()) {
    out.data = convert_array(*array, file);
  } else if (const auto* text = node.as_string()) {
    out.data = text->get();
  } else if (const auto* integer = node.as_integer()) {
    out.data = int64_t{integer->get()};
  } else if (const auto* number = node.as_floating_point()) {
    out.data = number->get();
  } else if (const auto* boolean = node.as_boolean()) {
    out.data = boolean->get();
  } else if (const auto* time = node.as_date_time()) {
    out.data = convert_date_time(time->get());
  } else {
    out.data = TOMLPartialDateTime{};
  }
  return out;
}

// Where a key has more than kMaxDotsInKey dots. Lines that are comments are left out; a string
// value with as many dots and nothing between them is taken for a key, which no value of ours is.
std::optional<SourcePosition> find_deep_key(std::string_view text, uint32_t file) {
  SourcePosition at{file, 1, 0};
  size_t dots = 0;
  bool line_begins = true;
  bool comment = false;
  char last = 0;
  for (const char c : text) {
    ++at.column;
    const bool repeated = c == last;  // "..." is in no key
    last = c;
    if (c == '\n') {
      at = {file, at.line + 1, 0};
      dots = 0;
      line_begins = true;
      comment = false;
      continue;
    }
    if (line_begins && c == '#') comment = true;
    if (c != ' ' && c != '\t') line_begins = false;
    if (comment) continue;
    if (c == '.' && !repeated && ++dots > kMaxDotsInKey) return at;
    if (c == '=' || c == ',' || c == '{' || c == '[') dots = 0;
  }
  return std::nullopt;
}

// Ours begin in lower case after "error: ", theirs do not.
std::string decapitalise(std::string_view message) {
  std::string out(message);
  if (!out.empty() && out[0] >= 'A' && out[0] <= 'Z')
    out[0] = static_cast<char>(out[0] - 'A' + 'a');
  return out;
}

}  // namespace

std::variant<TOMLTable, TOMLSyntaxError> parse_toml(std::string_view text, uint32_t file) {
  if (const std::optional<SourcePosition> deep = find_deep_key(text, file)) {
    return TOMLSyntaxError{"a key with this many dots is not a key of a configuration", *deep};
  }
  try {
    return convert_table(toml::parse(text), file);
  } catch (const toml::parse_error& error) {
    return TOMLSyntaxError{decapitalise(error.description()), position_of(error.source(), file)};
  } catch (const std::exception& error) {
    return TOMLSyntaxError{error.what(), {file, 1, 1}};
  }
}

}  // namespace lb::config
