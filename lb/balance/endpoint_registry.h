// The services and endpoints that something still refers to: a configuration, or a connection that
// began under an earlier one. Whoever names the same address of the same service gets the same
// object, so that what is counted on it survives reloads, and also a while in which no
// configuration names it. Control thread.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "lb/balance/endpoint.h"
#include "lb/balance/maglev_tables.h"
#include "lb/balance/service_state.h"
#include "lb/net/address.h"

namespace lb::balance {

class EndpointRegistry {
 public:
  std::shared_ptr<ServiceState> find_or_make(const std::string& service);
  std::shared_ptr<Endpoint> find_or_make(const std::string& service, const net::Address& address);

  MaglevTables& maglev_tables() { return maglev_tables_; }

  // Drops the names of what is gone. Once after each configuration is often enough.
  void forget_gone();

  size_t size() const { return endpoints_.size(); }

 private:
  absl::flat_hash_map<std::string, std::weak_ptr<ServiceState>> services_;
  // By service and label.
  absl::flat_hash_map<std::pair<std::string, std::string>, std::weak_ptr<Endpoint>> endpoints_;
  MaglevTables maglev_tables_;
};

}  // namespace lb::balance
