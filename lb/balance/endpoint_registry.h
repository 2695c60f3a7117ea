// The endpoints that something still refers to: a configuration, or a connection that began under
// an earlier one. Whoever names the same address of the same service gets the same object, so that
// what is counted on it survives reloads, and also a while in which no configuration names it.
// Control thread.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "lb/balance/endpoint.h"
#include "lb/net/address.h"

namespace lb::balance {

class EndpointRegistry {
 public:
  std::shared_ptr<Endpoint> find_or_make(const std::string& service, const net::Address& address);

  // Drops the names of endpoints that are gone. Once after each configuration is often enough.
  void forget_gone();

  size_t size() const { return known_.size(); }

 private:
  // By service and label.
  absl::flat_hash_map<std::pair<std::string, std::string>, std::weak_ptr<Endpoint>> known_;
};

}  // namespace lb::balance
