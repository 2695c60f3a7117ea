// Where a socket is or goes: an IPv4 or IPv6 address with a port, or a unix socket's path. A value.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

struct sockaddr_in;
struct sockaddr_in6;

namespace lb::net {

class Address {
 public:
  // Unspecified: family() is AF_UNSPEC and to_string() is empty.
  Address() = default;

  // `ip` is a literal: "127.0.0.1", "::1", "fe80::1%eth0" (RFC 4007 zone). No names are resolved.
  static absl::StatusOr<Address> parse(std::string_view ip, uint16_t port);

  // A path, or "@name" for the abstract space (unix(7)). Fails when it does not fit sun_path.
  static absl::StatusOr<Address> from_unix_path(std::string_view path);

  // From what the kernel filled in. An IPv4-mapped IPv6 address becomes IPv4, so that logs and
  // comparisons see one spelling of a client, whichever socket it came through.
  static Address from_sockaddr(const sockaddr_storage& storage, socklen_t size_bytes);

  int family() const { return storage_.base.sa_family; }
  bool is_unix() const { return family() == AF_UNIX; }
  bool is_ip() const { return family() == AF_INET || family() == AF_INET6; }
  // True for 0.0.0.0 and ::.
  bool is_wildcard() const;
  uint16_t port() const;
  // The same IP address with another port; a path stays as it is.
  Address with_port(uint16_t port) const;

  const sockaddr* data() const { return &storage_.base; }
  socklen_t size_bytes() const { return size_bytes_; }

  // "127.0.0.1:80", "[::1]:80", "/run/a.sock", "@name".
  std::string to_string() const;
  // The same without the port: "127.0.0.1", "::1".
  std::string host_string() const;

  bool operator==(const Address& other) const;

 private:
  union Storage {
    sockaddr base;
    sockaddr_in* unused_in;  // keeps the union's alignment that of a pointer
    unsigned char bytes[sizeof(sockaddr_un)];
  };

  const sockaddr_in& as_in() const { return reinterpret_cast<const sockaddr_in&>(storage_); }
  const sockaddr_in6& as_in6() const { return reinterpret_cast<const sockaddr_in6&>(storage_); }

  Storage storage_ = {};
  socklen_t size_bytes_ = 0;
};

}  // namespace lb::net
