// Any bytes as a manifest: no crash, no endless loop; a result exactly when there are no errors,
// the same each time, and TOML that the reader's parser takes.
#include <string>
#include <variant>

#include "lb/config/read/toml_parse.h"
#include "lb/control/convert/convert.h"
#include "test/fuzz/fuzz_target.h"

namespace lb::fuzz {
namespace {

bool is_printable(const std::string& line) {
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) return false;
  }
  return true;
}

bool is_toml(const std::string& text) {
  const auto parsed = config::parse_toml(text, 0);
  const auto* error = std::get_if<config::TOMLSyntaxError>(&parsed);
  // A text with many dots may look like a key to the parser's guard.
  return error == nullptr || error->message.find("this many dots") != std::string::npos;
}

}  // namespace

void fuzz_one(const uint8_t* data, size_t size_bytes) {
  const std::string text(reinterpret_cast<const char*>(data), size_bytes);
  const control::Converted result = control::convert_manifests({{"f.yaml", text}});
  require(result.toml.has_value() == result.errors.empty(), "a result, or errors");
  if (result.toml) require(is_toml(*result.toml), "the result is TOML");
  for (const std::string& line : result.errors) require(is_printable(line), "errors are lines");
  for (const std::string& line : result.notes) require(is_printable(line), "notes are lines");
  require(control::convert_manifests({{"f.yaml", text}}).toml == result.toml, "same in, same out");
}

}  // namespace lb::fuzz
