// Where one worker's connections to the endpoints of a service come from: the addresses that its
// `source` names, each in its turn, so that their ports last as many times longer; or the client's
// own address; else whatever the kernel chooses. One thread, once it is made.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lb/config/service.h"
#include "lb/net/address.h"
#include "lb/net/socket.h"

namespace lb::proxy {

class SourcePool {
 public:
  // Of no address of the pool.
  static constexpr uint16_t kNoAddress = UINT16_MAX;

  // One attempt's way through the sources; begins anew for each endpoint.
  struct Turn {
    uint16_t first = 0;
    uint16_t taken = 0;
  };

  struct Choice {
    net::StreamSource source;
    uint16_t index = kNoAddress;  // into addresses()
  };

  // What is no address is left out: validation has refused it. So is what comes after the
  // first 65534.
  explicit SourcePool(const config::UpstreamSource& policy);

  // Something is to be set on a socket before its connect.
  bool is_used() const { return is_transparent_ || !interface_.empty() || !addresses_.empty(); }
  // The client's address is asked for.
  bool is_transparent() const { return is_transparent_; }
  const std::vector<net::Address>& addresses() const { return addresses_; }

  // What to connect to `endpoint` from; nothing when the turn has had everything that there is.
  // A pool without an address of the endpoint's family leaves the address to the kernel, and so
  // does a client of another family than the endpoint's where nothing else is named. An endpoint
  // that is a unix socket has one choice, in which nothing is set.
  std::optional<Choice> next(Turn& turn, const net::Address& endpoint, const net::Address& client);

 private:
  static constexpr size_t kFamilies = 2;

  struct Family {
    std::vector<uint16_t> indices;  // into addresses_
    uint16_t cursor = 0;            // whose turn it is
  };

  Choice choice(const net::Address& address, uint16_t index) const;

  const bool is_transparent_;
  const std::string interface_;
  std::vector<net::Address> addresses_;
  std::array<Family, kFamilies> families_;  // IPv4, IPv6
};

}  // namespace lb::proxy
