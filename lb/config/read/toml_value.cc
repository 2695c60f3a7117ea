#include "lb/config/read/toml_value.h"

namespace lb::config {

const TOMLEntry* TOMLTable::find(std::string_view key) const {
  for (const TOMLEntry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

std::string_view type_name(const TOMLValue& value) {
  struct Namer {
    std::string_view operator()(const std::string&) const { return "a string"; }
    std::string_view operator()(int64_t) const { return "an integer"; }
    std::string_view operator()(double) const { return "a float"; }
    std::string_view operator()(bool) const { return "a boolean"; }
    std::string_view operator()(const TOMLDateTime&) const { return "a date-time"; }
    std::string_view operator()(const TOMLPartialDateTime&) const { return "a date or a time"; }
    std::string_view operator()(const TOMLArray&) const { return "an array"; }
    std::string_view operator()(const TOMLTable&) const { return "a table"; }
  };
  return std::visit(Namer{}, value.data);
}

}  // namespace lb::config
