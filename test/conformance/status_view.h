// The answer of `sluice status --json`, asked by names. A name that is not there throws.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lb::test {

class StatusView {
 public:
  // Throws Failure when a condition is of another generation than the status.
  explicit StatusView(nlohmann::json status);

  uint64_t generation() const { return status_.at("generation"); }

  // "False/ListenersNotValid" of the condition of that type. Names without their namespace: those
  // of a test differ.
  std::string gateway(const std::string& name, const std::string& type) const;
  std::string listener(const std::string& gateway, const std::string& name,
                       const std::string& type) const;
  std::string route(const std::string& name, const std::string& type) const;  // first parentRef

  size_t attached_routes(const std::string& gateway, const std::string& listener) const;
  std::vector<std::string> supported_kinds(const std::string& gateway,
                                           const std::string& listener) const;
  std::vector<std::string> listeners(const std::string& gateway) const;  // their names
  std::vector<std::string> addresses(const std::string& gateway) const;

  std::string text() const { return status_.dump(2); }

 private:
  const nlohmann::json& find_gateway(const std::string& name) const;
  const nlohmann::json& find_listener(const std::string& gateway, const std::string& name) const;

  nlohmann::json status_;
};

}  // namespace lb::test
