// Short texts in, short answers out: what the tests of the configuration share.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "lb/config/attach.h"
#include "lb/config/load.h"

namespace lb::config {

// A configuration without a fault, one object of each kind a line; tests put their own lines behind
// it, from line 4.
inline const std::string kSound =
    "gateways = [{ name = 'g', listeners = [{ name = 'l', port = 80, protocol = 'TCP' }] }]\n"
    "tcpRoutes = [{ name = 'r', parentRefs = [{ name = 'g' }], rules = [{ backendRefs = [{ name = "
    "'s', port = 1 }] }] }]\n"
    "services = [{ name = 's', ports = [{ port = 1 }], endpoints = [{ address = '10.0.0.1' }] }]\n";

// "E0105 4:1", for each fault in order.
inline std::vector<std::string> places(const std::vector<Fault>& faults) {
  std::vector<std::string> out;
  for (const Fault& fault : faults) {
    out.push_back(fmt::format("{} {}:{}", code_text(fault), fault.where.line, fault.where.column));
  }
  return out;
}

// All faults as they are printed.
inline std::string printed(const std::vector<Fault>& faults) {
  std::string out;
  for (const Fault& fault : faults) out += format(fault);
  return out;
}

// One text, the faults it must have and a part of what is printed about them.
struct FaultCase {
  std::string_view about;
  std::string text;
  std::vector<std::string> expected;
  std::string_view says;
};

// A gateway named g with the given listener entries; the entries begin at column 1 of line 2.
inline std::string gateway_with(std::string_view listeners) {
  return fmt::format("gateways = [{{ name = 'g', listeners = [\n{}\n] }}]\n", listeners);
}

}  // namespace lb::config
