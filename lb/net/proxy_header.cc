#include "lb/net/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "fmt/format.h"
#include "lb/util/crc32c.h"

namespace lb::net {
namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

// Byte 13: the version and the command. Byte 14: the family and the transport.
constexpr char kLocal = 0x20;
constexpr char kProxy = 0x21;
constexpr char kUnspec = 0x00;
constexpr char kTCPOverIPv4 = 0x11;
constexpr char kTCPOverIPv6 = 0x21;

constexpr char kTypeALPN = 0x01;
constexpr char kTypeAuthority = 0x02;
constexpr char kTypeCRC32C = 0x03;
constexpr char kTypeUniqueID = 0x05;

// Where the bytes of an IPv4 address are in its IPv4-mapped form.
constexpr size_t kMappedPrefixBytes = 12;

// The two ends in the one family that a header has, as IPv6; IPv4 is the mapped part of it.
struct Ends {
  bool is_ipv4 = false;
  in6_addr source;
  in6_addr destination;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;

  std::string_view bytes_of(const in6_addr& ip) const {
    const std::string_view all(reinterpret_cast<const char*>(ip.s6_addr), sizeof(ip.s6_addr));
    return is_ipv4 ? all.substr(kMappedPrefixBytes) : all;
  }
};

in6_addr as_ipv6(const Address& address) {
  in6_addr ip = {};
  if (address.family() == AF_INET6) {
    sockaddr_in6 in6;
    std::memcpy(&in6, address.data(), sizeof(in6));
    return in6.sin6_addr;
  }
  sockaddr_in in;
  std::memcpy(&in, address.data(), sizeof(in));
  ip.s6_addr[10] = ip.s6_addr[11] = 0xff;
  std::memcpy(ip.s6_addr + kMappedPrefixBytes, &in.sin_addr, sizeof(in.sin_addr));
  return ip;
}

// Nothing where an address is no IP.
std::optional<Ends> ends_of(const ProxiedPeer& peer) {
  if (!peer.source.is_ip() || !peer.destination.is_ip()) return std::nullopt;
  Ends ends;
  ends.source = as_ipv6(peer.source);
  ends.destination = as_ipv6(peer.destination);
  ends.is_ipv4 = IN6_IS_ADDR_V4MAPPED(&ends.source) && IN6_IS_ADDR_V4MAPPED(&ends.destination);
  ends.source_port = peer.source.port();
  ends.destination_port = peer.destination.port();
  return ends;
}

std::string text_of(const Ends& ends, const in6_addr& ip) {
  char text[INET6_ADDRSTRLEN] = {};
  if (ends.is_ipv4) return inet_ntop(AF_INET, ends.bytes_of(ip).data(), text, sizeof(text));
  std::string line = inet_ntop(AF_INET6, &ip, text, sizeof(text));
  if (line.find('.') == std::string::npos) return line;
  // A line has hexadecimal groups alone; inet_ntop(3) writes the end of a mapped address in dots.
  std::array<uint16_t, 2> groups = {};
  std::memcpy(groups.data(), ip.s6_addr + kMappedPrefixBytes, sizeof(groups));
  line.resize(line.rfind(':') + 1);
  return line + fmt::format("{:x}:{:x}", ntohs(groups[0]), ntohs(groups[1]));
}

void append_number(std::string& header, uint16_t number) {
  header += static_cast<char>(number >> 8);
  header += static_cast<char>(number & 0xff);
}

void append_value(std::string& header, char type, std::string_view value) {
  if (value.empty() || value.size() > kMaxProxyValueBytes) return;
  header += type;
  append_number(header, static_cast<uint16_t>(value.size()));
  header += value;
}

void append_ends(std::string& header, const Ends& ends) {
  header += ends.bytes_of(ends.source);
  header += ends.bytes_of(ends.destination);
  append_number(header, ends.source_port);
  append_number(header, ends.destination_port);
}

// Bytes 15 and 16: how many come after them.
void fill_in_size(std::string& header) {
  const size_t size_bytes = header.size() - kSignature.size() - 4;
  header[kSignature.size() + 2] = static_cast<char>(size_bytes >> 8);
  header[kSignature.size() + 3] = static_cast<char>(size_bytes & 0xff);
}

// The last field: the checksum is of the whole header with zeros in its own place.
void fill_in_checksum(std::string& header) {
  const uint32_t checksum = htonl(util::crc32c(header));
  std::memcpy(header.data() + header.size() - sizeof(checksum), &checksum, sizeof(checksum));
}

}  // namespace

std::string proxy_header_v1(const ProxiedPeer& peer) {
  const std::optional<Ends> ends = peer.is_local ? std::nullopt : ends_of(peer);
  if (!ends) return "PROXY UNKNOWN\r\n";
  return fmt::format("PROXY {} {} {} {} {}\r\n", ends->is_ipv4 ? "TCP4" : "TCP6",
                     text_of(*ends, ends->source), text_of(*ends, ends->destination),
                     ends->source_port, ends->destination_port);
}

std::string proxy_header_v2(const ProxiedPeer& peer, const ProxyExtras& extras) {
  std::string header(kSignature);
  header += peer.is_local ? kLocal : kProxy;
  const std::optional<Ends> ends = peer.is_local ? std::nullopt : ends_of(peer);
  header += !ends ? kUnspec : ends->is_ipv4 ? kTCPOverIPv4 : kTCPOverIPv6;
  append_number(header, 0);
  // Of a LOCAL connection the size is to be zero.
  if (peer.is_local) return header;
  if (ends) append_ends(header, *ends);
  append_value(header, kTypeAuthority, extras.authority);
  append_value(header, kTypeALPN, extras.alpn);
  append_value(header, kTypeUniqueID, extras.unique_id);
  if (extras.crc32c) append_value(header, kTypeCRC32C, std::string_view("\0\0\0\0", 4));
  fill_in_size(header);
  if (extras.crc32c) fill_in_checksum(header);
  return header;
}

}  // namespace lb::net
