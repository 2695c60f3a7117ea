// Services and what says where they are: EndpointSlices, and Endpoints as older clusters have them.
#include <fmt/format.h>

#include "lb/control/convert/convert_kinds.h"
#include "lb/control/convert/manifest_text.h"
#include "lb/net/address.h"

namespace lb::control {
namespace {

using nlohmann::ordered_json;
using Numbering = ManifestReader::Numbering;

constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";
constexpr std::string_view kFromSlices = "endpoints come from EndpointSlices";

void read_target_port(ManifestReader& reader, ServicePortSpec& port) {
  const ManifestNode* target = reader.any("targetPort");
  if (target == nullptr) return;
  port.target_where = target->where;
  if (target->kind == ManifestNode::Kind::kText) {
    port.target_name = target->text;
  } else {
    port.target_port = reader.integer("targetPort");
  }
}

ServicePortSpec read_port(ManifestReader& reader) {
  ServicePortSpec port;
  port.table = ordered_json::object();
  copy_text(reader, "name", port.table);
  port.name = port.table.value("name", "");
  copy_integer(reader, "port", port.table);
  port.port = port.table.value("port", int64_t{0});
  read_target_port(reader, port);
  copy_text(reader, "protocol", port.table, "TCP");
  port.protocol = port.table.value("protocol", "TCP");
  reader.leave_out("nodePort", "no meaning here");
  return port;
}

void read_slice_ports(ManifestReader& reader, std::vector<SlicePort>& ports) {
  reader.each("ports", [&](ManifestReader& entry) {
    SlicePort port;
    port.name = entry.text("name").value_or("");
    port.protocol = entry.text("protocol").value_or("TCP");
    port.port = entry.integer("port");
    ports.push_back(std::move(port));
  });
}

// Says so when it is none.
bool check_ip(ManifestReader& reader, std::string_view key, const std::string& address) {
  if (net::Address::parse(address, 1).ok()) return true;
  reader.report().error(reader.where(key),
                        fmt::format("{} of {} is not an IP address: {}", reader.path(key),
                                    reader.owner(), in_quotes(address)));
  return false;
}

void read_slice_endpoint(ManifestReader& reader, bool is_hostname, SliceSpec& slice) {
  SliceEndpoint endpoint;
  endpoint.is_hostname = is_hostname;
  reader.object("conditions", [&](ManifestReader& conditions) {
    endpoint.ready = conditions.boolean("ready").value_or(true);
    conditions.ignore("serving");  // `ready` is what these two come to
    conditions.ignore("terminating");
  });
  const std::vector<std::string> addresses = reader.texts("addresses");
  if (addresses.size() > 1) {
    reader.report().note(reader.where("addresses"),
                         fmt::format("left out: all addresses but the first in {} of {}: the API "
                                     "gives the others no meaning",
                                     reader.path("addresses"), reader.owner()));
  }
  if (addresses.empty()) return;
  endpoint.address = addresses[0];
  if (is_hostname || check_ip(reader, "addresses", endpoint.address)) {
    slice.endpoints.push_back(std::move(endpoint));
  }
}

}  // namespace

std::optional<ServiceSpec> read_service(ManifestReader& object, const ObjectMeta& meta) {
  ServiceSpec service;
  service.meta = meta;
  service.owner = object.owner();
  service.where = object.where();
  std::string why_not;
  object.object("spec", [&](ManifestReader& spec) {
    if (spec.text("type").value_or("") == "ExternalName") {
      why_not = "an ExternalName leads out of the cluster; write a service with a hostname for it";
      spec.ignore_the_rest();
      return;
    }
    spec.leave_out("type", "no meaning here");
    spec.leave_out("selector", kFromSlices);
    if (const ManifestNode* affinity = spec.any("sessionAffinity");
        affinity == nullptr || affinity->text == "None") {
      spec.ignore("sessionAffinity");
    } else {
      spec.leave_out("sessionAffinity", "loadBalancer.type = \"ConsistentHash\" is the nearest");
    }
    spec.each("ports", [&](ManifestReader& entry) { service.ports.push_back(read_port(entry)); });
  });
  if (why_not.empty() && service.ports.empty()) why_not = "it has no ports";
  if (why_not.empty()) return service;
  object.report().note(object.where(), fmt::format("left out: {}: {}", object.owner(), why_not));
  object.ignore_the_rest();
  return std::nullopt;
}

SliceSpec read_endpoint_slice(ManifestReader& object, const ObjectMeta& meta) {
  SliceSpec slice;
  slice.ns = meta.ns;
  slice.owner = object.owner();
  slice.where = object.where();
  for (const auto& [key, value] : meta.labels) {
    if (key == kServiceNameLabel) slice.service = value;
  }
  if (slice.service.empty()) {
    object.report().note(object.where(), fmt::format("left out: {}: no label {} says whose it is",
                                                     object.owner(), kServiceNameLabel));
    object.ignore_the_rest();
    return slice;
  }
  const std::string type = object.text("addressType").value_or("IPv4");
  read_slice_ports(object, slice.ports);
  object.each(
      "endpoints",
      [&](ManifestReader& entry) { read_slice_endpoint(entry, type == "FQDN", slice); },
      Numbering::kNone);
  return slice;
}

std::vector<SliceSpec> read_endpoints(ManifestReader& object, const ObjectMeta& meta) {
  std::vector<SliceSpec> slices;
  object.each("subsets", [&](ManifestReader& subset) {
    SliceSpec slice;
    slice.ns = meta.ns;
    slice.service = meta.name;
    slice.owner = object.owner();
    slice.where = object.where();
    read_slice_ports(subset, slice.ports);
    for (const bool ready : {true, false}) {
      subset.each(
          ready ? "addresses" : "notReadyAddresses",
          [&](ManifestReader& entry) {
            const std::optional<std::string> ip = entry.required_text("ip");
            if (ip && check_ip(entry, "ip", *ip)) slice.endpoints.push_back({*ip, false, ready});
          },
          Numbering::kNone);
    }
    slices.push_back(std::move(slice));
  });
  return slices;
}

}  // namespace lb::control
