#include "test/conformance/status_view.h"

#include <utility>

#include "test/support/failure.h"

namespace lb::test {
namespace {

using nlohmann::json;

const json& named(const json& list, const char* key, const std::string& name) {
  for (const json& entry : list) {
    if (entry.at(key) == name) return entry;
  }
  throw Failure("status has no " + name + " in " + list.dump(2));
}

std::string condition(const json& object, const std::string& type) {
  const json& found = named(object.at("conditions"), "type", type);
  return found.at("status").get<std::string>() + "/" + found.at("reason").get<std::string>();
}

// Every "observedGeneration" anywhere below.
void expect_observed(const json& value, uint64_t generation) {
  if (value.is_object() && value.value("observedGeneration", generation) != generation) {
    throw Failure("a condition of another generation: " + value.dump());
  }
  if (!value.is_structured()) return;
  for (const json& entry : value) expect_observed(entry, generation);
}

std::vector<std::string> column(const json& list, const char* key) {
  std::vector<std::string> out;
  for (const json& entry : list) out.push_back(entry.at(key));
  return out;
}

}  // namespace

StatusView::StatusView(json status) : status_(std::move(status)) {
  expect_observed(status_, generation());
}

std::string StatusView::gateway(const std::string& name, const std::string& type) const {
  return condition(find_gateway(name), type);
}

std::string StatusView::listener(const std::string& gateway, const std::string& name,
                                 const std::string& type) const {
  return condition(find_listener(gateway, name), type);
}

std::string StatusView::route(const std::string& name, const std::string& type) const {
  return condition(named(status_.at("tcpRoutes"), "name", name).at("parents").at(0), type);
}

size_t StatusView::attached_routes(const std::string& gateway, const std::string& listener) const {
  return find_listener(gateway, listener).at("attachedRoutes");
}

std::vector<std::string> StatusView::supported_kinds(const std::string& gateway,
                                                     const std::string& listener) const {
  return column(find_listener(gateway, listener).at("supportedKinds"), "kind");
}

std::vector<std::string> StatusView::listeners(const std::string& gateway) const {
  return column(find_gateway(gateway).at("listeners"), "name");
}

std::vector<std::string> StatusView::addresses(const std::string& gateway) const {
  return column(find_gateway(gateway).at("addresses"), "value");
}

const json& StatusView::find_gateway(const std::string& name) const {
  return named(status_.at("gateways"), "name", name);
}

const json& StatusView::find_listener(const std::string& gateway, const std::string& name) const {
  return named(find_gateway(gateway).at("listeners"), "name", name);
}

}  // namespace lb::test
