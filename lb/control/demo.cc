#include "lb/control/demo.h"

#include <fmt/format.h>

#include <string_view>

namespace lb::control {
namespace {

// Without the endpoints, which stand at its end.
constexpr std::string_view kGuideExample = R"toml([[gateways]]
name = "simple-fsm-gateway"

[[gateways.listeners]]
name = "foo"
port = 8000
protocol = "TCP"
allowedRoutes = { namespaces = { from = "Same" } }

[[gateways.listeners]]
name = "bar"
port = 8001
protocol = "TCP"
allowedRoutes = { namespaces = { from = "Same" } }

[[tcpRoutes]]
name = "tcp-route"
parentRefs = [
  { name = "simple-fsm-gateway", port = 8000 },
  { name = "simple-fsm-gateway", port = 8001 },
]
rules = [{ backendRefs = [{ name = "httpbin", port = 8080 }] }]

[[services]]
name = "httpbin"
ports = [{ port = 8080, targetPort = 80 }]
endpoints = [
)toml";

}  // namespace

std::string demo_config(std::span<const uint16_t> backend_ports) {
  std::string config(kGuideExample);
  for (const uint16_t port : backend_ports) {
    config += fmt::format("  {{ address = \"127.0.0.1\", port = {} }},\n", port);
  }
  config += "]\n";
  return config;
}

void print_demo_hints(std::FILE* out) {
  fmt::print(out,
             "Two listeners, one route, one service. In another terminal:\n"
             "\n"
             "  curl -s localhost:8000/headers\n"
             "  curl -s localhost:8001/headers\n"
             "\n"
             "Ctrl-C ends it.\n");
  std::fflush(out);  // The demo runs on: nobody else will.
}

}  // namespace lb::control
