#include "lb/config/ip_text.h"

#include <fmt/format.h>

#include <charconv>

namespace lb::config {
namespace {

bool is_ip(std::string_view text) { return net::Address::parse(text, 0).ok(); }

}  // namespace

std::string canonical_ip(std::string_view text) {
  const auto address = net::Address::parse(text, 0);
  return address.ok() ? address->host_string() : std::string(text);
}

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

void check_ip(Reader& reader, std::string_view key, std::string_view text) {
  if (is_ip(text)) return;
  reader.faults().error(FaultCode::kBadAddress, reader.where(key),
                        fmt::format("{} must be an IP address, but is \"{}\"", key, text),
                        inner_ip(text));
}

std::optional<net::Address> parse_ip_port(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view ip = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port == 0) {
    return std::nullopt;
  }
  const bool has_brackets = ip.size() > 2 && ip.front() == '[' && ip.back() == ']';
  if (has_brackets) ip = ip.substr(1, ip.size() - 2);
  const absl::StatusOr<net::Address> address = net::Address::parse(ip, port);
  if (!address.ok() || has_brackets != (address->family() == AF_INET6)) return std::nullopt;
  return *address;
}

}  // namespace lb::config
