#include "lb/config/ip_text.h"

#include <fmt/format.h>

#include "lb/net/address.h"

namespace lb::config {
namespace {

bool is_ip(std::string_view text) { return net::Address::parse(text, 0).ok(); }

// The IP that somebody wrote with something around it; "" when there is none.
std::string_view inner_ip(std::string_view text) {
  std::string_view inner = text;
  if (inner.starts_with('[')) {
    inner.remove_prefix(1);
    inner = inner.substr(0, inner.find(']'));
  } else {
    inner = inner.substr(0, inner.find('/'));
    if (!is_ip(inner)) inner = inner.substr(0, inner.rfind(':'));
  }
  return is_ip(inner) ? inner : std::string_view();
}

}  // namespace

std::string canonical_ip(std::string_view text) {
  const auto address = net::Address::parse(text, 0);
  return address.ok() ? address->host_string() : std::string(text);
}

void check_ip(Reader& reader, std::string_view key, std::string_view text) {
  if (is_ip(text)) return;
  reader.faults().error(FaultCode::kBadAddress, reader.where(key),
                        fmt::format("{} must be an IP address, but is \"{}\"", key, text),
                        inner_ip(text));
}

}  // namespace lb::config
