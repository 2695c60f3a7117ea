#include "lb/control/convert/toml_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace lb::control {
namespace {

using nlohmann::ordered_json;

constexpr size_t kColumns = 100;
constexpr size_t kIndent = 2;
constexpr size_t kNeverSplitColumns = 40;  // a list this short reads better on one line

std::string key_text(const std::string& key) {
  const bool bare = !key.empty() && key.find_first_not_of(
                                        "abcdefghijklmnopqrstuvwxyz"
                                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789_-") == std::string::npos;
  return bare ? key : toml_string(key);
}

// On one line.
std::string flat(const ordered_json& value) {
  if (value.is_string()) return toml_string(value.get_ref<const std::string&>());
  if (!value.is_structured()) return value.dump();
  std::string out;
  for (const auto& [key, item] : value.items()) {
    if (!out.empty()) out += ", ";
    out += value.is_object() ? fmt::format("{} = {}", key_text(key), flat(item)) : flat(item);
  }
  if (value.is_array()) return "[" + out + "]";
  return out.empty() ? "{}" : "{ " + out + " }";
}

size_t last_line_columns(const std::string& text) {
  const size_t newline = text.rfind('\n');
  return newline == std::string::npos ? text.size() : text.size() - newline - 1;
}

size_t widest_line(std::string_view text) {
  size_t widest = 0;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    widest = std::max(widest, end - begin);
    begin = end + 1;
  }
  return widest;
}

void append(std::string& out, const ordered_json& value, size_t indent, size_t after);

void append_list_on_lines(std::string& out, const ordered_json& list, size_t indent) {
  out += "[\n";
  for (const ordered_json& item : list) {
    out.append(indent + kIndent, ' ');
    append(out, item, indent + kIndent, 1);
    out += ",\n";
  }
  out.append(indent, ' ');
  out += ']';
}

// A list of one is "[{ ... }]" unless that makes wider lines than it has to.
void append_list_of_one(std::string& out, const ordered_json& list, size_t indent, size_t after) {
  std::string line = out.substr(out.size() - last_line_columns(out));
  const size_t known = line.size();
  std::string on_lines = line;
  line += '[';
  append(line, list[0], indent, after + 1);
  line += ']';
  append_list_on_lines(on_lines, list, indent);
  const size_t width = widest_line(line) + after;
  const bool hug = width <= kColumns || width <= widest_line(on_lines);
  out += (hug ? line : on_lines).substr(known);
}

// Appends `value` at the end of `out`, with `after` columns to come behind it on its last line.
// Only lists may go over several lines: TOML 1.0 wants an inline table on one, but for lists in it.
void append(std::string& out, const ordered_json& value, size_t indent, size_t after) {
  const std::string on_one_line = flat(value);
  if (!value.is_structured() || on_one_line.size() <= kNeverSplitColumns ||
      last_line_columns(out) + on_one_line.size() + after <= kColumns) {
    out += on_one_line;
  } else if (value.is_array() && value.size() == 1) {
    append_list_of_one(out, value, indent, after);
  } else if (value.is_array()) {
    append_list_on_lines(out, value, indent);
  } else {
    out += "{ ";
    size_t left = value.size();
    for (const auto& [key, item] : value.items()) {
      out += key_text(key) + " = ";
      append(out, item, indent, 2);
      out += --left > 0 ? ", " : " }";
    }
  }
}

}  // namespace

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string write_toml(const ordered_json& root) {
  std::string out;
  for (const auto& [kind, tables] : root.items()) {
    for (const ordered_json& table : tables) {
      if (!out.empty()) out += '\n';
      out += "[[" + key_text(kind) + "]]\n";
      for (const auto& [key, value] : table.items()) {
        out += key_text(key) + " = ";
        append(out, value, 0, 0);
        out += '\n';
      }
    }
  }
  return out;
}

}  // namespace lb::control
