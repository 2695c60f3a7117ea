// Prints plain values as TOML for people to read and edit.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace lb::control {

// `root` is an object of lists of objects: each becomes an array of tables, in the given order.
// What is inside is inline, and is spread over lines where it would be wider than 100 columns.
// Values are texts in UTF-8, integers, booleans, lists and objects.
std::string write_toml(const nlohmann::ordered_json& root);

// A basic string, in quotes.
std::string toml_string(std::string_view text);

}  // namespace lb::control
