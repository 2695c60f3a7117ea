// Text of a configuration in, a compiled one out.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "lb/config/attach/attach.h"
#include "lb/config/load.h"
#include "lb/proxy/snapshot.h"
#include "test/support/catch.h"

namespace lb::proxy {

inline std::shared_ptr<const Snapshot> compile_text(std::string_view text,
                                                    balance::EndpointRegistry& registry) {
  const config::LoadResult loaded = config::load_text(text, "f");
  for (const config::Fault& fault : loaded.faults) UNSCOPED_INFO(config::format(fault));
  REQUIRE(loaded.config);
  auto snapshot = compile(*loaded.config, config::attach(*loaded.config), registry);
  REQUIRE(snapshot.ok());
  return *std::move(snapshot);
}

inline std::shared_ptr<const Snapshot> compile_text(std::string_view text) {
  balance::EndpointRegistry registry;
  return compile_text(text, registry);
}

// Gateway g with listener l on port 9000, and route r with these backendRefs.
inline std::string routed_to(std::string_view backend_refs) {
  return "[[gateways]]\nname = 'g'\nlisteners = [{ name = 'l', port = 9000, protocol = 'TCP' }]\n"
         "[[tcpRoutes]]\nname = 'r'\nparentRefs = [{ name = 'g' }]\nrules = [{ backendRefs = [" +
         std::string(backend_refs) + "] }]\n";
}

}  // namespace lb::proxy
