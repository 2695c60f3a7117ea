#include "lb/health/own_header.h"

#include <sys/socket.h>

#include <string_view>

#include "fmt/format.h"

namespace lb::health {
namespace {

using std::string_view_literals::operator""sv;

// doc/proxy-protocol.txt of HAProxy, section 2.2: signature, version 2 and LOCAL, no family, no
// more bytes.
constexpr std::string_view kLocalV2 = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"sv;

}  // namespace

std::string own_header(config::ProxyVersion version, const net::Address& local,
                       const net::Address& server) {
  if (version == config::ProxyVersion::kNone) return {};
  if (version == config::ProxyVersion::kV2) return std::string(kLocalV2);
  if (!local.is_ip() || local.family() != server.family()) return "PROXY UNKNOWN\r\n";
  // A zone behind the address means nothing to the server.
  const auto host = [](const net::Address& address) {
    const std::string text = address.host_string();
    return text.substr(0, text.find('%'));
  };
  return fmt::format("PROXY {} {} {} {} {}\r\n", local.family() == AF_INET ? "TCP4" : "TCP6",
                     host(local), host(server), local.port(), server.port());
}

}  // namespace lb::health
