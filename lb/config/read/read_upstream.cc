// What connections to endpoints begin with: the PROXY header, and the address they come from.
#include <fmt/format.h>

#include <algorithm>

#include "lb/config/ip_text.h"
#include "lb/config/read/schema.h"
#include "lb/util/suggest.h"

namespace lb::config {
namespace {

constexpr Count kTLVs{0, 4};
constexpr Count kAddresses{0, 1024};

// "None" undoes what [defaults.service] says.
constexpr std::array<Choice<ProxyVersion>, 3> kVersions = {
    {{"V1", ProxyVersion::kV1}, {"V2", ProxyVersion::kV2}, {"None", ProxyVersion::kNone}}};

struct TLV {
  std::string_view name;
  bool ProxyTLVs::*flag;
};

constexpr std::array<TLV, 4> kKnownTLVs = {{{"authority", &ProxyTLVs::authority},
                                            {"alpn", &ProxyTLVs::alpn},
                                            {"uniqueId", &ProxyTLVs::unique_id},
                                            {"crc32c", &ProxyTLVs::crc32c}}};

void read_tlvs(Reader& reader, ProxyTLVs& tlvs) {
  if (reader.has("tlvs")) tlvs = {};
  std::vector<PlacedText> names;
  reader.texts("tlvs", NameRule::kText, kTLVs, names);
  std::vector<std::string_view> known;
  for (const TLV& tlv : kKnownTLVs) known.push_back(tlv.name);
  for (const PlacedText& name : names) {
    const auto* const found = std::find_if(kKnownTLVs.begin(), kKnownTLVs.end(),
                                           [&](const TLV& tlv) { return tlv.name == name.text; });
    if (found != kKnownTLVs.end()) {
      tlvs.*found->flag = true;
      continue;
    }
    reader.faults().error(FaultCode::kBadChoice, name.where,
                          fmt::format("every entry of tlvs must be \"authority\", \"alpn\", "
                                      "\"uniqueId\" or \"crc32c\", but this is \"{}\"",
                                      name.text),
                          util::suggest(name.text, known));
  }
}

void read_source_address(Reader& reader, const PlacedText& text, UpstreamSource& source) {
  const auto refuse = [&](FaultCode code, std::string_view broken, std::string_view suggestion) {
    reader.faults().error(
        code, text.where,
        fmt::format("every entry of addresses {}, but this is \"{}\"", broken, text.text),
        suggestion);
  };
  const absl::StatusOr<net::Address> address = net::Address::parse(text.text, 0);
  if (!address.ok() || address->is_wildcard()) {
    refuse(FaultCode::kBadAddress, "must be an IP address of this host",
           address.ok() ? "" : inner_ip(text.text));
    return;
  }
  std::string canonical = canonical_ip(text.text);
  const auto end = source.addresses.end();
  if (std::find(source.addresses.begin(), end, canonical) == end) {
    source.addresses.push_back(std::move(canonical));
  } else {
    refuse(FaultCode::kDuplicateAddress, "must be there once", "");
  }
}

}  // namespace

void read_proxy_header(Reader& reader, ProxyHeader& header) {
  reader.table("proxyProtocol", [&](Reader& proxy) {
    const size_t errors_before = proxy.faults().errors();
    proxy.choice("version", kVersions, header.version);
    read_tlvs(proxy, header.tlvs);
    if (proxy.faults().errors() > errors_before) return;
    if (header.version == ProxyVersion::kNone && !proxy.has("version")) {
      proxy.fault(FaultCode::kMissingKey, "version is missing");
    } else if (header.version != ProxyVersion::kV2) {
      proxy.fault_at("tlvs", FaultCode::kConflictingKeys,
                     "must not be specified but with version V2");
      header.tlvs = {};  // those of [defaults.service]
    }
  });
}

void read_source(Reader& reader, UpstreamSource& source) {
  reader.table("source", [&](Reader& entry) {
    if (entry.has("addresses")) source.addresses.clear();
    std::vector<PlacedText> addresses;
    entry.texts("addresses", NameRule::kText, kAddresses, addresses);
    for (const PlacedText& text : addresses) read_source_address(entry, text, source);
    entry.boolean("transparent", source.transparent);
    entry.text("interface", NameRule::kInterface, source.interface);
    if (!source.transparent || source.addresses.empty()) return;
    if (entry.has("transparent") && entry.has("addresses")) {
      entry.fault_at("transparent", FaultCode::kConflictingKeys,
                     "must not be true beside addresses: the source is the client's address");
    } else if (entry.has("transparent")) {
      source.addresses.clear();  // those of [defaults.service]
    } else {
      source.transparent = false;
    }
  });
}

}  // namespace lb::config
