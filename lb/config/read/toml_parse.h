// Text to TOML values. The only user of the TOML library is toml_parse.cc.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "lb/config/position.h"
#include "lb/config/read/toml_value.h"

namespace lb::config {

struct TOMLSyntaxError {
  std::string message;
  SourcePosition where;
};

// The root table, or the first error. `file` goes into every position. Any bytes are safe to pass.
std::variant<TOMLTable, TOMLSyntaxError> parse_toml(std::string_view text, uint32_t file);

}  // namespace lb::config
