#include "lb/proxy/preamble.h"

#include "lb/proxy/access_log.h"

namespace lb::proxy {
namespace {

std::string version_2(const config::ProxyTLVs& tlvs, const net::ProxiedPeer& peer, uint64_t id,
                      const TLSFacts& tls) {
  const std::string id_text = connection_id_text(id);
  net::ProxyExtras extras;
  if (tlvs.authority) extras.authority = tls.authority;
  if (tlvs.alpn) extras.alpn = tls.alpn;
  if (tlvs.unique_id) extras.unique_id = id_text;
  extras.crc32c = tlvs.crc32c;
  return net::proxy_header_v2(peer, extras);
}

}  // namespace

std::string preamble_for(const config::ProxyHeader& header, const net::ProxiedPeer& peer,
                         uint64_t id, const TLSFacts& tls) {
  switch (header.version) {
    case config::ProxyVersion::kV1:
      return net::proxy_header_v1(peer);
    case config::ProxyVersion::kV2:
      return version_2(header.tlvs, peer, id, tls);
    case config::ProxyVersion::kNone:
      break;
  }
  return "";
}

bool asks_for_tls(const config::ProxyHeader& header) {
  return header.version == config::ProxyVersion::kV2 && (header.tlvs.authority || header.tlvs.alpn);
}

}  // namespace lb::proxy
