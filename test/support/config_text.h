// Puts a configuration together for a test: one gateway, its listeners, services and routes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lb/net/address.h"

namespace lb::test {

class ConfigText {
 public:
  struct BackendRef {
    std::string service;
    int weight = 1;
  };

  // Keys of [runtime], as TOML: "maxConnections = 10".
  ConfigText& runtime(std::string_view line);
  // The gateway's addresses; none = every address of the host.
  ConfigText& addresses(const std::vector<std::string>& values);
  // A listener of the gateway; `extra` is the rest of its inline table:
  // `timeout.tcp.idleTimeout = "1s", connection.bufferLimit = "16Ki"`.
  ConfigText& listener(std::string_view name, uint16_t port, std::string_view extra = {});
  // A service with an endpoint at each address; `extra` are lines of its table.
  ConfigText& service(std::string_view name, const std::vector<net::Address>& endpoints,
                      std::string_view extra = {});
  // A route from the listener of that name.
  ConfigText& route(std::string_view listener, const std::vector<BackendRef>& backend_refs);
  // Any other text, at the end.
  ConfigText& append(std::string_view text);

  std::string str() const;

 private:
  std::string runtime_;
  std::string addresses_;
  std::string listeners_;
  std::string rest_;
};

// One listener "main" on `port`, routed to a service "web" with these endpoints.
ConfigText one_service(uint16_t port, const std::vector<net::Address>& endpoints,
                       std::string_view listener_extra = {}, std::string_view service_extra = {});

}  // namespace lb::test
