// One service in front of a test's own lines, and what is said about them.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "test/support/catch.h"
#include "test/unit/config/config_text.h"

namespace lb::config {

// A configuration with one service, s, whose policies are the given lines: from line 7.
inline std::string service_text(std::string_view lines,
                                std::string_view endpoints = "{ address = '10.0.0.1' }") {
  return fmt::format("{}[[services]]\nname = 's'\nports = [{{ port = 1 }}]\nendpoints = [{}]\n{}\n",
                     kSound.substr(0, kSound.find("services =")), endpoints, lines);
}

// The service as it is loaded, without a fault.
inline Service load_service(std::string_view lines,
                            std::string_view endpoints = "{ address = '10.0.0.1' }") {
  const std::string text = service_text(lines, endpoints);
  LoadResult result = load_text(text, "f");
  INFO(text << printed(result.faults));
  REQUIRE(result.faults.empty());
  return result.config->services.at(0);
}

inline ServicePolicy load_policy(std::string_view lines) { return load_service(lines).policy; }

// Lines, the faults that they must have and a part of what is printed about them. Warnings do not
// keep a file from loading.
struct PolicyCase {
  std::string lines;
  std::vector<std::string> expected;
  std::string_view says;
};

inline void check_texts(const std::vector<FaultCase>& cases) {
  for (const FaultCase& fault_case : cases) {
    INFO(fault_case.about << "\n" << fault_case.text);
    const LoadResult result = load_text(fault_case.text, "f");
    const bool is_refused =
        std::any_of(fault_case.expected.begin(), fault_case.expected.end(),
                    [](const std::string& place) { return place.starts_with('E'); });
    CHECK(result.config.has_value() != is_refused);
    CHECK(places(result.faults) == fault_case.expected);
    const std::string shown = printed(result.faults);
    INFO(shown);
    CHECK(shown.find(fault_case.says) != std::string::npos);
  }
}

inline void check_policies(const std::vector<PolicyCase>& cases) {
  std::vector<FaultCase> texts;
  texts.reserve(cases.size());
  for (const PolicyCase& entry : cases) {
    texts.push_back({"", service_text(entry.lines), entry.expected, entry.says});
  }
  check_texts(texts);
}

}  // namespace lb::config
