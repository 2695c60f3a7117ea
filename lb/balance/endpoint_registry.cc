#include "lb/balance/endpoint_registry.h"

namespace lb::balance {

std::shared_ptr<ServiceState> EndpointRegistry::find_or_make(const std::string& service) {
  std::weak_ptr<ServiceState>& known = services_[service];
  std::shared_ptr<ServiceState> state = known.lock();
  if (state == nullptr) {
    state = std::make_shared<ServiceState>(service);
    known = state;
  }
  return state;
}

std::shared_ptr<Endpoint> EndpointRegistry::find_or_make(const std::string& service,
                                                         const net::Address& address) {
  std::weak_ptr<Endpoint>& known = endpoints_[std::pair(service, address.to_string())];
  std::shared_ptr<Endpoint> endpoint = known.lock();
  if (endpoint == nullptr) {
    endpoint = std::make_shared<Endpoint>(address, find_or_make(service));
    known = endpoint;
  }
  return endpoint;
}

void EndpointRegistry::forget_gone() {
  absl::erase_if(endpoints_, [](const auto& entry) { return entry.second.expired(); });
  absl::erase_if(services_, [](const auto& entry) { return entry.second.expired(); });
  maglev_tables_.forget_gone();
}

}  // namespace lb::balance
