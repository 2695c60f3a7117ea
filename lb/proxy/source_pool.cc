#include "lb/proxy/source_pool.h"

#include "absl/status/statusor.h"

namespace lb::proxy {
namespace {

size_t family_of(const net::Address& address) { return address.family() == AF_INET6 ? 1 : 0; }

}  // namespace

SourcePool::SourcePool(const config::UpstreamSource& policy)
    : is_transparent_(policy.transparent), interface_(policy.interface) {
  for (const std::string& text : policy.addresses) {
    const absl::StatusOr<net::Address> address = net::Address::parse(text, 0);
    if (!address.ok() || addresses_.size() == kNoAddress) continue;
    families_[family_of(*address)].indices.push_back(static_cast<uint16_t>(addresses_.size()));
    addresses_.push_back(*address);
  }
}

SourcePool::Choice SourcePool::choice(const net::Address& address, uint16_t index) const {
  return {{address, is_transparent_ && address.is_ip() && index == kNoAddress, interface_}, index};
}

std::optional<SourcePool::Choice> SourcePool::next(Turn& turn, const net::Address& endpoint,
                                                   const net::Address& client) {
  if (!endpoint.is_ip()) return turn.taken++ == 0 ? std::optional(Choice()) : std::nullopt;
  if (is_transparent_ && client.family() == endpoint.family()) {
    // The port, too, unless another connection of the client's has it towards this endpoint.
    switch (turn.taken++) {
      case 0:
        return choice(client, kNoAddress);
      case 1:
        return choice(client.with_port(0), kNoAddress);
      default:
        return std::nullopt;
    }
  }
  Family& family = families_[family_of(endpoint)];
  const size_t count = family.indices.size();
  if (count == 0) {
    return turn.taken++ == 0 ? std::optional(choice(net::Address(), kNoAddress)) : std::nullopt;
  }
  if (turn.taken == count) return std::nullopt;
  if (turn.taken == 0) {
    turn.first = family.cursor;
    family.cursor = static_cast<uint16_t>((family.cursor + 1) % count);
  }
  const uint16_t index = family.indices[(turn.first + turn.taken++) % count];
  return choice(addresses_[index], index);
}

}  // namespace lb::proxy
