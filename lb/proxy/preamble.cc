#include "lb/proxy/preamble.h"

#include "lb/proxy/access_log.h"

namespace lb::proxy {
namespace {

std::string version_2(const config::ProxyTLVs& tlvs, const net::ProxiedPeer& peer, uint64_t id) {
  const std::string id_text = connection_id_text(id);
  // Authority and ALPN are what a client says in TLS, which is relayed unread.
  net::ProxyExtras extras;
  if (tlvs.unique_id) extras.unique_id = id_text;
  extras.crc32c = tlvs.crc32c;
  return net::proxy_header_v2(peer, extras);
}

}  // namespace

std::string preamble_for(const config::ProxyHeader& header, const net::ProxiedPeer& peer,
                         uint64_t id) {
  switch (header.version) {
    case config::ProxyVersion::kV1:
      return net::proxy_header_v1(peer);
    case config::ProxyVersion::kV2:
      return version_2(header.tlvs, peer, id);
    case config::ProxyVersion::kNone:
      break;
  }
  return "";
}

}  // namespace lb::proxy
