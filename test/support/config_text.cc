#include "test/support/config_text.h"

#include <fmt/format.h>

namespace lb::test {

ConfigText& ConfigText::runtime(std::string_view line) {
  runtime_ += fmt::format("{}\n", line);
  return *this;
}

ConfigText& ConfigText::addresses(const std::vector<std::string>& values) {
  addresses_ = "addresses = [";
  for (const std::string& value : values) addresses_ += fmt::format("{{ value = \"{}\" }},", value);
  addresses_ += "]\n";
  return *this;
}

ConfigText& ConfigText::listener(std::string_view name, uint16_t port, std::string_view extra) {
  listeners_ += fmt::format("  {{ name = \"{}\", port = {}, protocol = \"TCP\"{}{} }},\n", name,
                            port, extra.empty() ? "" : ", ", extra);
  return *this;
}

ConfigText& ConfigText::service(std::string_view name, const std::vector<net::Address>& endpoints,
                                std::string_view extra) {
  rest_ += fmt::format("\n[[services]]\nname = \"{}\"\nports = [{{ port = 80 }}]\nendpoints = [\n",
                       name);
  for (const net::Address& endpoint : endpoints) {
    rest_ += endpoint.is_unix() ? fmt::format("  {{ path = \"{}\" }},\n", endpoint.to_string())
                                : fmt::format("  {{ address = \"{}\", port = {} }},\n",
                                              endpoint.host_string(), endpoint.port());
  }
  rest_ += fmt::format("]\n{}\n", extra);
  return *this;
}

ConfigText& ConfigText::route(std::string_view listener,
                              const std::vector<BackendRef>& backend_refs) {
  rest_ += fmt::format(
      "\n[[tcpRoutes]]\nname = \"to-{0}\"\n"
      "parentRefs = [{{ name = \"gw\", sectionName = \"{0}\" }}]\nrules = [{{ backendRefs = [",
      listener);
  for (const BackendRef& ref : backend_refs) {
    rest_ += fmt::format("{{ name = \"{}\", port = 80, weight = {} }},", ref.service, ref.weight);
  }
  rest_ += "] }]\n";
  return *this;
}

ConfigText& ConfigText::append(std::string_view text) {
  rest_ += text;
  return *this;
}

std::string ConfigText::str() const {
  return fmt::format("[runtime]\n{}\n[[gateways]]\nname = \"gw\"\n{}listeners = [\n{}]\n{}",
                     runtime_, addresses_, listeners_, rest_);
}

ConfigText one_service(uint16_t port, const std::vector<net::Address>& endpoints,
                       std::string_view listener_extra, std::string_view service_extra) {
  ConfigText config;
  config.listener("main", port, listener_extra)
      .service("web", endpoints, service_extra)
      .route("main", {{.service = "web"}});
  return config;
}

}  // namespace lb::test
