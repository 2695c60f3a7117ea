// What the configuration language has and this version does not serve. One table, unsupported.cc:
// whoever builds one of these deletes its line there.
#pragma once

#include <string_view>
#include <vector>

namespace lb::config {

// `path` as in known_keys(): "gateways[].listeners[].endPort". [defaults] count as what they are
// defaults of.
bool is_unsupported_key(std::string_view path);

// Of a key that is itself supported, one value that is not.
bool is_unsupported_value(std::string_view path, std::string_view value);

// The last parts of all unsupported keys directly in the table `path` ("" = the root).
std::vector<std::string_view> unsupported_keys_in(std::string_view path);

}  // namespace lb::config
