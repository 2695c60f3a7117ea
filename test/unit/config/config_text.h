// Short texts in, short answers out: what the tests of the configuration share.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lb/config/attach/attach.h"
#include "lb/config/load.h"
#include "lb/config/status/conditions.h"

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

// What comes of a text: everything that `check` would know. Faults of attaching and of binding are
// among `faults`.
struct Outcome {
  bool is_valid = false;
  std::vector<Fault> faults;
  Status status;
};

inline Outcome outcome_of(std::string_view text, const std::vector<BindOutcome>* bound = nullptr,
                          const Status* previous = nullptr, uint64_t generation = 1,
                          int64_t now_ms = 0) {
  LoadResult loaded = load_text(text, "f");
  Outcome out{loaded.config.has_value(), std::move(loaded.faults), {}};
  if (!out.is_valid) return out;
  Attachment attachment = attach(*loaded.config);
  out.status = make_status({*loaded.config, attachment, bound, generation, now_ms, previous});
  out.faults.insert(out.faults.end(), attachment.findings.begin(), attachment.findings.end());
  if (bound != nullptr) {
    for (const BindOutcome& outcome : *bound) {
      if (outcome.error != 0) out.faults.push_back(bind_fault(*loaded.config, outcome));
    }
  }
  locate(out.faults, loaded.sources);
  return out;
}

inline void add_condition_lines(const std::string& object, const std::vector<Condition>& conditions,
                                std::string& out) {
  for (const Condition& condition : conditions) {
    out += fmt::format("{}: {}={}/{}: {}\n", object, to_string(condition.type),
                       to_string(condition.status), to_string(condition.reason), condition.message);
  }
}

// "gateway g: Accepted=True/Accepted: all is well", a line a condition; "listener g/l: ...",
// "route r[0]: ..." for the first of its parentRefs.
inline std::string condition_text(const Status& status) {
  std::string out;
  for (const GatewayStatus& gateway : status.gateways) {
    const std::string name = to_string(gateway.name);
    add_condition_lines("gateway " + name, gateway.conditions, out);
    for (const ListenerStatus& listener : gateway.listeners) {
      add_condition_lines("listener " + name + "/" + listener.name, listener.conditions, out);
    }
  }
  for (const auto* routes : {&status.tcp_routes, &status.tls_routes}) {
    for (const RouteStatus& route : *routes) {
      for (size_t i = 0; i < route.parents.size(); ++i) {
        add_condition_lines(fmt::format("route {}[{}]", to_string(route.name), i),
                            route.parents[i].conditions, out);
      }
    }
  }
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
