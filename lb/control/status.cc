#include "lb/control/status.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <tuple>
#include <utility>

#include "fmt/format.h"
#include "lb/config/read/timestamp.h"

namespace lb::control {
namespace {

using nlohmann::json;

json conditions_json(const std::vector<config::Condition>& conditions) {
  json out = json::array();
  for (const config::Condition& condition : conditions) {
    out.push_back({{"type", std::string(to_string(condition.type))},
                   {"status", std::string(to_string(condition.status))},
                   {"reason", std::string(to_string(condition.reason))},
                   {"message", config::printable(condition.message)},
                   {"observedGeneration", condition.observed_generation},
                   {"lastTransitionTime", config::format_rfc3339(condition.last_transition_ms)}});
  }
  return out;
}

json listener_json(const config::ListenerStatus& listener) {
  json kinds = json::array();
  for (const config::RouteKind& kind : listener.supported_kinds) {
    kinds.push_back({{"group", kind.group}, {"kind", kind.kind}});
  }
  return {{"name", listener.name},
          {"attachedRoutes", listener.attached_routes},
          {"supportedKinds", std::move(kinds)},
          {"conditions", conditions_json(listener.conditions)}};
}

json gateway_json(const config::GatewayStatus& gateway) {
  json listeners = json::array();
  for (const config::ListenerStatus& listener : gateway.listeners) {
    listeners.push_back(listener_json(listener));
  }
  json addresses = json::array();
  for (const std::string& address : gateway.addresses) {
    addresses.push_back({{"type", "IPAddress"}, {"value", address}});
  }
  return {{"namespace", gateway.name.ns},
          {"name", gateway.name.name},
          {"addresses", std::move(addresses)},
          {"conditions", conditions_json(gateway.conditions)},
          {"listeners", std::move(listeners)}};
}

json parent_ref_json(const config::ParentRef& ref) {
  json out = {{"group", ref.group},
              {"kind", ref.kind},
              {"namespace", ref.name.ns},
              {"name", config::printable(ref.name.name)}};
  if (ref.section_name) out["sectionName"] = *ref.section_name;
  if (ref.port) out["port"] = *ref.port;
  return out;
}

json routes_json(const std::vector<config::RouteStatus>& routes) {
  json out = json::array();
  for (const config::RouteStatus& route : routes) {
    json parents = json::array();
    for (const config::ParentStatus& parent : route.parents) {
      parents.push_back({{"parentRef", parent_ref_json(parent.ref)},
                         {"conditions", conditions_json(parent.conditions)}});
    }
    out.push_back(
        {{"namespace", route.name.ns}, {"name", route.name.name}, {"parents", std::move(parents)}});
  }
  return out;
}

// Rows of four, each column but the last as wide as its widest cell.
class Lines {
 public:
  // One row for all that is well or unknown, and one for each that is not.
  void add(const std::string& object, const std::vector<config::Condition>& conditions) {
    std::string quiet;
    for (const config::Condition& condition : conditions) {
      if (is_loud(condition) || condition.type == config::ConditionType::kConflicted) continue;
      if (!quiet.empty()) quiet += ", ";
      quiet += to_string(condition.type);
      if (!condition.is_good()) quiet += fmt::format("={}", to_string(condition.status));
    }
    std::string name = object;
    if (!quiet.empty() || conditions.empty()) rows_.push_back({std::exchange(name, ""), quiet});
    for (const config::Condition& condition : conditions) {
      if (!is_loud(condition)) continue;
      rows_.push_back({std::exchange(name, ""),
                       fmt::format("{}={}", to_string(condition.type), to_string(condition.status)),
                       std::string(to_string(condition.reason)),
                       config::printable(condition.message)});
    }
  }

  std::string text() const {
    const Row titles = {"OBJECT", "CONDITION", "REASON", "MESSAGE"};
    std::array<size_t, 3> widths = {};
    const auto widen = [&](const Row& row) {
      for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    };
    widen(titles);
    for (const Row& row : rows_) widen(row);
    std::string out = line(titles, widths);
    for (const Row& row : rows_) out += line(row, widths);
    return out;
  }

 private:
  using Row = std::array<std::string, 4>;

  // A gateway is accepted with reservations when some of its listeners are not valid.
  static bool is_loud(const config::Condition& condition) {
    if (condition.reason == config::Reason::kListenersNotValid) return true;
    return !condition.is_good() && condition.status != config::ConditionStatus::kUnknown;
  }

  static std::string line(const Row& row, const std::array<size_t, 3>& widths) {
    std::string out;
    for (size_t i = 0; i < widths.size(); ++i) out += fmt::format("{:<{}}  ", row[i], widths[i]);
    out += row.back();
    return out.substr(0, out.find_last_not_of(' ') + 1) + "\n";
  }

  std::vector<Row> rows_;
};

std::string parent_text(const config::ParentRef& ref) {
  std::string out = "  -> " + config::printable(to_string(ref.name));
  if (ref.section_name) out += " " + *ref.section_name;
  if (ref.port) out += fmt::format(" :{}", *ref.port);
  return out;
}

void add_routes(std::string_view kind, const std::vector<config::RouteStatus>& routes,
                Lines& lines) {
  for (const config::RouteStatus& route : routes) {
    lines.add(fmt::format("{} {}", kind, to_string(route.name)), {});
    for (const config::ParentStatus& parent : route.parents) {
      lines.add(parent_text(parent.ref), parent.conditions);
    }
  }
}

// "::1" of "[::1]:80".
std::string host_of(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return host;
}

// In the snapshot's order, which is the configuration's without what is not served.
std::vector<config::ListenerIndex> served_listeners(const config::Attachment& attachment) {
  std::vector<config::ListenerIndex> out;
  for (size_t g = 0; g < attachment.gateways.size(); ++g) {
    for (size_t l = 0; l < attachment.gateways[g].listeners.size(); ++l) {
      if (attachment.gateways[g].serves(l)) out.push_back({g, l});
    }
  }
  return out;
}

}  // namespace

json status_json(const config::Status& status) {
  json gateways = json::array();
  for (const config::GatewayStatus& gateway : status.gateways) {
    gateways.push_back(gateway_json(gateway));
  }
  return {{"gateways", std::move(gateways)},
          {"tcpRoutes", routes_json(status.tcp_routes)},
          {"tlsRoutes", routes_json(status.tls_routes)}};
}

json faults_json(const std::vector<config::Fault>& faults) {
  json out = json::array();
  for (const config::Fault& fault : faults) {
    out.push_back({{"code", code_text(fault)},
                   {"severity", fault.severity == config::Severity::kError ? "error" : "warning"},
                   {"file", fault.file},
                   {"line", fault.where.line},
                   {"column", fault.where.column},
                   {"reason", std::string(to_string(fault.reason))},
                   {"message", config::printable(fault.message)},
                   {"suggestion", config::printable(fault.suggestion)}});
  }
  return out;
}

std::string condition_lines(const config::Status& status) {
  Lines lines;
  for (const config::GatewayStatus& gateway : status.gateways) {
    lines.add("gateway " + to_string(gateway.name), gateway.conditions);
    for (const config::ListenerStatus& listener : gateway.listeners) {
      lines.add(fmt::format("  listener {} ({} {})", listener.name, listener.attached_routes,
                            listener.attached_routes == 1 ? "route" : "routes"),
                listener.conditions);
    }
  }
  add_routes("tcpRoute", status.tcp_routes, lines);
  add_routes("tlsRoute", status.tls_routes, lines);
  return lines.text();
}

std::vector<config::BindOutcome> bind_outcomes(const config::Attachment& attachment,
                                               const OpenAddresses& open,
                                               const std::vector<BindFailure>& failures) {
  const std::vector<config::ListenerIndex> listeners = served_listeners(attachment);
  std::vector<config::BindOutcome> out;
  for (const auto& [address, listener] : open) {
    out.push_back({listeners[listener], host_of(address), 0});
  }
  for (const BindFailure& failure : failures) {
    out.push_back({listeners[failure.listener], host_of(failure.address), failure.error});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return std::tie(a.listener.gateway, a.listener.listener, a.address) <
           std::tie(b.listener.gateway, b.listener.listener, b.address);
  });
  return out;
}

std::vector<config::Fault> bind_faults(const Deployed& deployed) {
  std::vector<config::Fault> faults;
  for (const config::BindOutcome& outcome :
       bind_outcomes(deployed.attachment, {}, deployed.bind_failures)) {
    faults.push_back(config::bind_fault(*deployed.loaded.config, outcome));
  }
  config::locate(faults, deployed.loaded.sources);
  return faults;
}

config::Status status_of(const Deployed& deployed, const config::Status& previous, int64_t now_ms) {
  const std::vector<config::BindOutcome> bound =
      bind_outcomes(deployed.attachment, deployed.open, deployed.bind_failures);
  return config::make_status({*deployed.loaded.config, deployed.attachment, &bound,
                              deployed.generation, now_ms, &previous});
}

}  // namespace lb::control
