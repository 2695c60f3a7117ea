#include "lb/balance/source_hash.h"

#include <netinet/in.h>

#include <string>
#include <string_view>

#include "lb/util/siphash.h"

namespace lb::balance {
namespace {

constexpr uint64_t kSourceKey = 4;
constexpr size_t kMappedBytes = 12;  // before the IPv4 address in an IPv4-mapped one

// The first `bits` of them; what is cut off is zero.
std::string prefix_of(const void* bytes, size_t size_bytes, size_t bits) {
  std::string prefix(static_cast<const char*>(bytes), size_bytes);
  for (size_t i = 0; i < size_bytes; ++i) {
    const size_t kept = bits > 8 * i ? bits - 8 * i : 0;
    if (kept < 8) prefix[i] = static_cast<char>(prefix[i] & (0xff00 >> kept));
  }
  return prefix;
}

// Families differ in length, so no two addresses read alike.
std::string key_of(const net::Address& client, const SourcePrefix& prefix) {
  if (client.family() == AF_INET) {
    const in_addr& ip = reinterpret_cast<const sockaddr_in*>(client.data())->sin_addr;
    return prefix_of(&ip, sizeof(ip), prefix.v4);
  }
  if (client.family() != AF_INET6) return "";
  const in6_addr& ip = reinterpret_cast<const sockaddr_in6*>(client.data())->sin6_addr;
  if (!IN6_IS_ADDR_V4MAPPED(&ip)) return prefix_of(&ip, sizeof(ip), prefix.v6);
  return prefix_of(ip.s6_addr + kMappedBytes, sizeof(in_addr), prefix.v4);
}

}  // namespace

uint64_t source_hash(const net::Address& client, const SourcePrefix& prefix, uint64_t seed) {
  return util::SipHash(seed, kSourceKey).hash(key_of(client, prefix));
}

}  // namespace lb::balance
