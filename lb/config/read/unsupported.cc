#include "lb/config/read/unsupported.h"

#include <string>

namespace lb::config {
namespace {

constexpr std::string_view kKeys[] = {
    "accessLog.interval",
    "gateways[].listeners[].authorization",
    "gateways[].listeners[].connection.connectionLimit",
    "gateways[].listeners[].connection.maxConnectionDuration",
    "gateways[].listeners[].connection.maxConnectionDurationJitter",
    "gateways[].listeners[].endPort",
    "gateways[].listeners[].fd",
    "gateways[].listeners[].perSource",
    "gateways[].listeners[].proxyProtocol",
    "gateways[].listeners[].socket",
    "gateways[].listeners[].tcpKeepalive",
    "gateways[].listeners[].unix",
    "services[].socket",
    "services[].tcpKeepalive",
};

struct Value {
  std::string_view path;
  std::string_view value;
};

constexpr Value kValues[] = {{"accessLog.format", "haproxy"}};

// [defaults.listener] and [defaults.service] take the same extensions.
std::string without_defaults(std::string_view path) {
  constexpr std::string_view kListener = "defaults.listener";
  constexpr std::string_view kService = "defaults.service";
  if (path.starts_with(kListener)) {
    return "gateways[].listeners[]" + std::string(path.substr(kListener.size()));
  }
  if (path.starts_with(kService)) {
    return "services[]" + std::string(path.substr(kService.size()));
  }
  return std::string(path);
}

}  // namespace

bool is_unsupported_key(std::string_view path) {
  const std::string wanted = without_defaults(path);
  for (const std::string_view key : kKeys) {
    if (key == wanted) return true;
  }
  return false;
}

bool is_unsupported_value(std::string_view path, std::string_view value) {
  const std::string wanted = without_defaults(path);
  for (const Value& known : kValues) {
    if (known.path == wanted && known.value == value) return true;
  }
  return false;
}

std::vector<std::string_view> unsupported_keys_in(std::string_view path) {
  const std::string prefix = path.empty() ? "" : without_defaults(path) + ".";
  std::vector<std::string_view> keys;
  for (std::string_view key : kKeys) {
    if (!key.starts_with(prefix)) continue;
    key.remove_prefix(prefix.size());
    if (key.find('.') == std::string_view::npos) keys.push_back(key);
  }
  return keys;
}

}  // namespace lb::config
