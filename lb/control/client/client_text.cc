#include "lb/control/client/client_text.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "fmt/format.h"

namespace lb::control {
namespace {

using nlohmann::json;

// Columns as wide as they need to be, the first row being their titles.
class Table {
 public:
  explicit Table(std::vector<std::string> titles) { rows_.push_back(std::move(titles)); }

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  std::string text() const {
    std::vector<size_t> widths(rows_.front().size(), 0);
    for (const auto& row : rows_) {
      for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string out;
    for (const auto& row : rows_) {
      std::string line;
      for (size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
      out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return rows_.size() > 1 ? "\n" + out : "";
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

const json& list_of(const json& object, const char* key) {
  static const json kNone = json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : kNone;
}

std::string name_of(const json& object) {
  return object.value("namespace", "default") + "/" + object.value("name", "");
}

// "Accepted", or "Accepted=False (NotAllowedByListeners)". Being without conflict goes unsaid.
std::string conditions_text(const json& conditions) {
  std::string out;
  for (const json& condition : conditions) {
    const std::string type = condition.value("type", "");
    const std::string status = condition.value("status", "");
    if (type == "Conflicted" && status == "False") continue;
    if (!out.empty()) out += ", ";
    out += type;
    if (status != "True" || type == "Conflicted") {
      out += fmt::format("={} ({})", status, condition.value("reason", ""));
    }
  }
  return out;
}

std::string gateways_text(const json& gateways) {
  Table table({"GATEWAY", "LISTENER", "ROUTES", "CONDITIONS"});
  for (const json& gateway : gateways) {
    table.add({name_of(gateway), "", "", conditions_text(list_of(gateway, "conditions"))});
    for (const json& listener : list_of(gateway, "listeners")) {
      table.add({"", listener.value("name", ""),
                 fmt::format("{}", listener.value("attachedRoutes", 0)),
                 conditions_text(list_of(listener, "conditions"))});
    }
  }
  return table.text();
}

std::string parent_text(const json& ref) {
  std::string out = ref.value("name", "");
  if (ref.contains("sectionName")) out += " " + ref.value("sectionName", "");
  if (ref.contains("port")) out += fmt::format(" :{}", ref.value("port", 0));
  return out;
}

std::string routes_text(const json& routes) {
  Table table({"ROUTE", "PARENT", "CONDITIONS"});
  for (const json& route : routes) {
    std::string name = name_of(route);
    if (list_of(route, "parents").empty()) table.add({name, "", ""});
    for (const json& parent : list_of(route, "parents")) {
      table.add({std::exchange(name, ""), parent_text(parent.value("parentRef", json::object())),
                 conditions_text(list_of(parent, "conditions"))});
    }
  }
  return table.text();
}

std::string endpoint_text(const json& endpoint) {
  std::string address = endpoint.value("address", "");
  const int port = endpoint.value("port", 0);
  if (!endpoint.value("resolved", true)) return address + " (no address)";
  if (port == 0) return address;
  return address.find(':') == std::string::npos ? fmt::format("{}:{}", address, port)
                                                : fmt::format("[{}]:{}", address, port);
}

// A weight that grows (slowStart) is no whole number; the greatest one has seven digits.
std::string weight_text(const json& endpoint) {
  return fmt::format("{:.7g}", endpoint.value("weight", 0.0));
}

std::string services_text(const json& services) {
  Table table({"SERVICE", "ENDPOINT", "HEALTHY", "WEIGHT", "CONNECTIONS", "OVERRIDE"});
  for (const json& service : services) {
    std::string name = name_of(service);
    if (list_of(service, "endpoints").empty()) table.add({name, "none", "", "", "", ""});
    for (const json& endpoint : list_of(service, "endpoints")) {
      const auto overridden = endpoint.find("override");
      const bool has_override = overridden != endpoint.end() && overridden->is_string();
      table.add({std::exchange(name, ""), endpoint_text(endpoint),
                 endpoint.value("healthy", false) ? "yes" : "no", weight_text(endpoint),
                 fmt::format("{}", endpoint.value("active", uint64_t{0})),
                 has_override ? overridden->get<std::string>() : ""});
    }
  }
  return table.text();
}

// Only those that are not taken as they are.
std::string endpoints_files_text(const json& services) {
  std::string out;
  for (const json& service : services) {
    const std::string error = service.value("endpointsFile", json::object()).value("error", "");
    if (error.empty()) continue;
    out += fmt::format("the endpoints file of {} is not taken as it is: {}\n", name_of(service),
                       error);
  }
  return out.empty() ? out : "\n" + out;
}

std::string change_text(const json& diff, const char* what) {
  const json count = diff.value(what, json::object());
  return fmt::format("{:<10} {} added, {} removed, {} changed\n", what,
                     count.value("added", uint64_t{0}), count.value("removed", uint64_t{0}),
                     count.value("changed", uint64_t{0}));
}

}  // namespace

std::string status_text(const json& status) {
  std::string out = fmt::format("generation {}, engine {}", status.value("generation", uint64_t{0}),
                                status.value("engine", ""));
  if (status.contains("connections")) {
    out += fmt::format(", {} connections", status.value("connections", uint64_t{0}));
  }
  if (const std::string why = status.value("notReady", ""); !why.empty()) out += ", " + why;
  out += "\n";
  const json reload = status.value("lastReload", json::object());
  if (!reload.value("applied", true)) {
    out += "the last reload was refused: " + reload.value("error", "") + "\n";
  }
  return out + gateways_text(list_of(status, "gateways")) +
         routes_text(list_of(status, "tcpRoutes")) + routes_text(list_of(status, "tlsRoutes")) +
         services_text(list_of(status, "services")) +
         endpoints_files_text(list_of(status, "services"));
}

std::string diff_text(const json& diff) {
  return change_text(diff, "listeners") + change_text(diff, "routes") +
         change_text(diff, "endpoints") +
         fmt::format(
             "live connections on removed listeners: {}\n"
             "live connections on removed endpoints: {}\n",
             diff.value("connectionsOnRemovedListeners", uint64_t{0}),
             diff.value("connectionsOnRemovedEndpoints", uint64_t{0}));
}

std::string lookup_text(const json& lookup) {
  std::string out;
  for (const json& result : list_of(lookup, "endpoints")) {
    const std::string home = result.value("home", "");
    const json endpoint = result.value("endpoint", json());
    if (!endpoint.is_string()) {
      out += "none is left\n";
    } else if (endpoint != home && !home.empty()) {
      out +=
          fmt::format("{}, since {} takes no new connections\n", endpoint.get<std::string>(), home);
    } else {
      out += endpoint.get<std::string>() + "\n";
    }
  }
  return out;
}

}  // namespace lb::control
