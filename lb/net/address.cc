#include "lb/net/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <charconv>
#include <cstddef>
#include <cstring>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace lb::net {
namespace {

// The zone of a link-local address: an interface's name or its number (RFC 4007 section 11).
absl::StatusOr<uint32_t> parse_zone(const std::string& zone) {
  if (const unsigned index = if_nametoindex(zone.c_str()); index != 0) return index;
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(zone.data(), zone.data() + zone.size(), number);
  if (error == std::errc() && end == zone.data() + zone.size() && number != 0) return number;
  return absl::InvalidArgumentError(fmt::format("no network interface is called '{}'", zone));
}

}  // namespace

absl::StatusOr<Address> Address::parse(std::string_view ip, uint16_t port) {
  Address address;
  const std::string text(ip);
  // inet_pton(3) would stop reading there and see an address.
  if (ip.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError("an IP address has no NUL in it");
  }
  sockaddr_in in = {};
  if (inet_pton(AF_INET, text.c_str(), &in.sin_addr) == 1) {
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(address.storage_.bytes, &in, sizeof(in));
    address.size_bytes_ = sizeof(in);
    return address;
  }
  sockaddr_in6 in6 = {};
  const size_t percent = text.find('%');
  if (inet_pton(AF_INET6, text.substr(0, percent).c_str(), &in6.sin6_addr) != 1) {
    return absl::InvalidArgumentError(fmt::format("'{}' is not an IP address", ip));
  }
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port);
  if (percent != std::string::npos) {
    const absl::StatusOr<uint32_t> zone = parse_zone(text.substr(percent + 1));
    if (!zone.ok()) return zone.status();
    in6.sin6_scope_id = *zone;
  }
  std::memcpy(address.storage_.bytes, &in6, sizeof(in6));
  address.size_bytes_ = sizeof(in6);
  return address;
}

absl::StatusOr<Address> Address::from_unix_path(std::string_view path) {
  sockaddr_un un = {};
  const bool is_abstract = !path.empty() && path[0] == '@';
  // A path needs its terminating NUL, an abstract name does not.
  const size_t max_size = sizeof(un.sun_path) - (is_abstract ? 0 : 1);
  if (path.empty() || path == "@" || path.size() > max_size ||
      path.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError(
        fmt::format("a unix socket's path has 1 to {} characters", max_size));
  }
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.data(), path.size());
  if (is_abstract) un.sun_path[0] = '\0';
  Address address;
  std::memcpy(address.storage_.bytes, &un, sizeof(un));
  address.size_bytes_ =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (is_abstract ? 0 : 1));
  return address;
}

Address Address::from_sockaddr(const sockaddr_storage& storage, socklen_t size_bytes) {
  Address address;
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 in6;
    std::memcpy(&in6, &storage, sizeof(in6));
    if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
      sockaddr_in in = {};
      in.sin_family = AF_INET;
      in.sin_port = in6.sin6_port;
      std::memcpy(&in.sin_addr, &in6.sin6_addr.s6_addr[12], sizeof(in.sin_addr));
      std::memcpy(address.storage_.bytes, &in, sizeof(in));
      address.size_bytes_ = sizeof(in);
      return address;
    }
  }
  if (size_bytes > sizeof(address.storage_)) size_bytes = sizeof(address.storage_);
  std::memcpy(address.storage_.bytes, &storage, size_bytes);
  address.size_bytes_ = size_bytes;
  return address;
}

bool Address::is_wildcard() const {
  if (family() == AF_INET) return as_in().sin_addr.s_addr == htonl(INADDR_ANY);
  return family() == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&as_in6().sin6_addr);
}

uint16_t Address::port() const {
  if (family() == AF_INET) return ntohs(as_in().sin_port);
  if (family() == AF_INET6) return ntohs(as_in6().sin6_port);
  return 0;
}

Address Address::with_port(uint16_t port) const {
  Address address = *this;
  auto* const bytes = address.storage_.bytes;
  const uint16_t number = htons(port);
  if (family() == AF_INET) {
    std::memcpy(bytes + offsetof(sockaddr_in, sin_port), &number, sizeof(number));
  } else if (family() == AF_INET6) {
    std::memcpy(bytes + offsetof(sockaddr_in6, sin6_port), &number, sizeof(number));
  }
  return address;
}

std::string Address::host_string() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &as_in().sin_addr, text, sizeof(text));
    return text;
  }
  if (family() == AF_INET6) {
    inet_ntop(AF_INET6, &as_in6().sin6_addr, text, sizeof(text));
    if (as_in6().sin6_scope_id == 0) return text;
    return fmt::format("{}%{}", text, as_in6().sin6_scope_id);
  }
  if (!is_unix()) return "";
  const char* path = reinterpret_cast<const sockaddr_un&>(storage_).sun_path;
  const size_t size = size_bytes_ - offsetof(sockaddr_un, sun_path);
  if (size == 0) return "";
  if (path[0] == '\0') return "@" + std::string(path + 1, size - 1);
  return std::string(path, strnlen(path, size));
}

std::string Address::to_string() const {
  if (family() == AF_INET) return fmt::format("{}:{}", host_string(), port());
  if (family() == AF_INET6) return fmt::format("[{}]:{}", host_string(), port());
  return host_string();
}

bool Address::operator==(const Address& other) const {
  return size_bytes_ == other.size_bytes_ &&
         std::memcmp(storage_.bytes, other.storage_.bytes, size_bytes_) == 0;
}

}  // namespace lb::net
