// Services and EndpointSlices become one table each: which port the endpoints are reached at, and
// who they are.
#include <fmt/format.h>

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "lb/control/convert/convert_kinds.h"
#include "lb/control/convert/manifest_text.h"
#include "lb/net/address.h"

namespace lb::control {
namespace {

using nlohmann::ordered_json;

// The target port of each port of a service; nullopt where nothing says it.
using Targets = std::vector<std::optional<int64_t>>;

std::optional<int64_t> target_in_slice(const ServicePortSpec& port, const SliceSpec& slice,
                                       bool only_port) {
  const auto named = [&](const std::string& name) -> const SlicePort* {
    for (const SlicePort& candidate : slice.ports) {
      if (candidate.name == name && candidate.protocol == port.protocol && candidate.port) {
        return &candidate;
      }
    }
    return nullptr;
  };
  // A slice's port has the name of the service's port; hand-written ones that of the target.
  if (const SlicePort* found = named(port.name)) return found->port;
  if (!port.target_name.empty()) {
    if (const SlicePort* found = named(port.target_name)) return found->port;
  }
  if (only_port && slice.ports.size() == 1) return slice.ports[0].port;
  return std::nullopt;
}

Targets targets_of_spec(const ServiceSpec& service) {
  Targets targets;
  for (const ServicePortSpec& port : service.ports) {
    if (port.target_port || port.target_name.empty()) {
      targets.emplace_back(port.target_port.value_or(port.port));
    } else {
      targets.emplace_back(std::nullopt);
    }
  }
  return targets;
}

Targets targets_in_slice(const ServiceSpec& service, const SliceSpec& slice) {
  Targets targets;
  for (const ServicePortSpec& port : service.ports) {
    targets.push_back(target_in_slice(port, slice, service.ports.size() == 1));
  }
  const bool silent = std::none_of(targets.begin(), targets.end(),
                                   [](const auto& target) { return target.has_value(); });
  return silent ? targets_of_spec(service) : targets;
}

// The endpoints of one service, each once.
class EndpointList {
 public:
  void add(const SliceEndpoint& endpoint, std::optional<int64_t> port) {
    const std::string key =
        fmt::format("{} {}", endpoint.is_hostname ? endpoint.address : canonical(endpoint.address),
                    port.value_or(0));
    const auto [known, is_new] = index_.try_emplace(key, tables_.size());
    if (!is_new) {
      if (endpoint.ready) tables_[known->second].erase("ready");
      return;
    }
    ordered_json table = {{endpoint.is_hostname ? "hostname" : "address", endpoint.address}};
    if (port) table["port"] = *port;
    if (!endpoint.ready) table["ready"] = false;
    tables_.push_back(std::move(table));
  }

  std::vector<ordered_json> take() { return std::move(tables_); }

 private:
  static std::string canonical(const std::string& address) {
    const absl::StatusOr<net::Address> parsed = net::Address::parse(address, 1);
    return parsed.ok() ? parsed->host_string() : address;
  }

  std::vector<ordered_json> tables_;
  absl::flat_hash_map<std::string, size_t> index_;
};

class ServiceJoin {
 public:
  ServiceJoin(const ServiceSpec& service, std::vector<const SliceSpec*> slices,
              ConvertReport& report)
      : service_(service), slices_(std::move(slices)), report_(report) {
    for (const SliceSpec* slice : slices_) targets_.push_back(targets_in_slice(service_, *slice));
  }

  ordered_json table() {
    choose_targets();
    ordered_json out = table_of(service_.meta);
    for (size_t i = 0; i < service_.ports.size(); ++i) out["ports"].push_back(port_table(i));
    EndpointList endpoints;
    for (size_t i = 0; i < slices_.size(); ++i) add_endpoints(i, endpoints);
    std::vector<ordered_json> tables = endpoints.take();
    if (!tables.empty()) out["endpoints"] = std::move(tables);
    if (slices_.empty()) {
      report_.note(
          service_.where,
          fmt::format("{} has no endpoints: no EndpointSlice here is of it", service_.owner));
    }
    return out;
  }

 private:
  // One target port for all endpoints where the slices agree. Where they do not, a service of one
  // port can say it per endpoint; of several ports, the first slice with endpoints decides.
  void choose_targets() {
    chosen_ = targets_of_spec(service_);
    bool decided = false;
    for (size_t i = 0; i < slices_.size(); ++i) {
      if (decided && (slices_[i]->endpoints.empty() || targets_[i] == chosen_)) continue;
      if (decided && service_.ports.size() == 1) {
        per_endpoint_ = true;
        chosen_ = targets_of_spec(service_);
        return;
      }
      if (decided) continue;
      chosen_ = targets_[i];
      decided = !slices_[i]->endpoints.empty();
    }
  }

  ordered_json port_table(size_t index) {
    const ServicePortSpec& port = service_.ports[index];
    ordered_json out = ordered_json::object();
    for (const auto& [key, value] : port.table.items()) {
      out[key] = value;
      // Its place is behind the port.
      if (key == "port" && chosen_[index] && *chosen_[index] != port.port) {
        out["targetPort"] = *chosen_[index];
      }
    }
    if (!chosen_[index] && !per_endpoint_) {
      report_.note(port.target_where,
                   fmt::format("left out: targetPort {} of {}: no EndpointSlice here says its "
                               "number, so it is {}",
                               in_quotes(port.target_name), service_.owner, port.port));
    }
    return out;
  }

  void add_endpoints(size_t index, EndpointList& endpoints) {
    const SliceSpec& slice = *slices_[index];
    if (!per_endpoint_ && !slice.endpoints.empty() && targets_[index] != chosen_) {
      report_.note(slice.where, fmt::format("left out: the endpoints of {}: their ports are not "
                                            "those of the other endpoints of {}",
                                            slice.owner, service_.owner));
      return;
    }
    for (const SliceEndpoint& endpoint : slice.endpoints) {
      endpoints.add(endpoint, per_endpoint_ ? targets_[index][0] : std::nullopt);
    }
  }

  const ServiceSpec& service_;
  const std::vector<const SliceSpec*> slices_;
  ConvertReport& report_;
  std::vector<Targets> targets_;  // as slices_
  Targets chosen_;
  bool per_endpoint_ = false;
};

}  // namespace

ordered_json join_services(const std::vector<ServiceSpec>& services,
                           const std::vector<SliceSpec>& slices, ConvertReport& report) {
  absl::flat_hash_map<std::string, std::vector<const SliceSpec*>> slices_of;
  for (const SliceSpec& slice : slices) {
    if (!slice.service.empty()) slices_of[slice.ns + "/" + slice.service].push_back(&slice);
  }
  absl::flat_hash_set<std::string> known;
  ordered_json out = ordered_json::array();
  for (const ServiceSpec& service : services) {
    const std::string name = service.meta.ns + "/" + service.meta.name;
    known.insert(name);
    out.push_back(ServiceJoin(service, slices_of[name], report).table());
  }
  for (const SliceSpec& slice : slices) {
    const std::string name = slice.ns + "/" + slice.service;
    if (slice.service.empty() || known.contains(name)) continue;
    report.note(slice.where,
                fmt::format("left out: {}: there is no Service {} here", slice.owner, name));
  }
  return out;
}

}  // namespace lb::control
