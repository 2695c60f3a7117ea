#include "lb/balance/endpoint_registry.h"

namespace lb::balance {

std::shared_ptr<Endpoint> EndpointRegistry::find_or_make(const std::string& service,
                                                         const net::Address& address) {
  std::weak_ptr<Endpoint>& known = known_[std::pair(service, address.to_string())];
  std::shared_ptr<Endpoint> endpoint = known.lock();
  if (endpoint == nullptr) {
    endpoint = std::make_shared<Endpoint>(address);
    known = endpoint;
  }
  return endpoint;
}

void EndpointRegistry::forget_gone() {
  absl::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
}

}  // namespace lb::balance
