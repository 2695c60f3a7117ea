// The steps of convert_manifests(), one function per kind of object. For convert*.cc alone.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/control/convert/manifest_reader.h"

namespace lb::control {

// What every manifest says in `metadata`.
struct ObjectMeta {
  std::string ns;  // "default" where the manifest has none
  std::string name;
  std::string creation_timestamp;  // RFC 3339, or empty
  // Those that the kind takes in; empty for others, where they are left out.
  std::vector<std::pair<std::string, std::string>> labels;
};

inline constexpr std::string_view kDefaultNamespace = "default";
inline constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";

// `name`, and `namespace` when it is not the default: how every table begins.
nlohmann::ordered_json table_of(const ObjectMeta& meta);

// Under the same key when it is there. `unless`: a default that need not be written.
void copy_text(ManifestReader& from, std::string_view key, nlohmann::ordered_json& to,
               std::string_view unless = {});
void copy_integer(ManifestReader& from, std::string_view key, nlohmann::ordered_json& to);
// `group` and `kind`, where they differ from the defaults.
void copy_reference_kind(ManifestReader& from, nlohmann::ordered_json& to,
                         std::string_view default_group, std::string_view default_kind);

nlohmann::ordered_json convert_gateway(ManifestReader& object, const ObjectMeta& meta);
// TCPRoute and TLSRoute.
nlohmann::ordered_json convert_route(ManifestReader& object, const ObjectMeta& meta);
nlohmann::ordered_json convert_reference_grant(ManifestReader& object, const ObjectMeta& meta);
nlohmann::ordered_json convert_namespace(ManifestReader& object, const ObjectMeta& meta);

// What `targetPort` says.
struct ServicePortSpec {
  nlohmann::ordered_json table;  // without targetPort
  std::string name;
  std::string protocol = "TCP";
  int64_t port = 0;
  std::optional<int64_t> target_port;
  std::string target_name;  // where it is a name
  config::SourcePosition target_where;
};

struct ServiceSpec {
  ObjectMeta meta;
  std::string owner;
  config::SourcePosition where;
  std::vector<ServicePortSpec> ports;
};

// nullopt when it is left out as a whole, which has then been said.
std::optional<ServiceSpec> read_service(ManifestReader& object, const ObjectMeta& meta);

struct SliceEndpoint {
  std::string address;
  bool is_hostname = false;
  bool ready = true;
};

struct SlicePort {
  std::string name;
  std::string protocol = "TCP";
  std::optional<int64_t> port;
};

// An EndpointSlice, or a subset of an Endpoints object.
struct SliceSpec {
  std::string ns;
  std::string service;  // empty when it names none, which has then been said
  std::string owner;
  config::SourcePosition where;
  std::vector<SliceEndpoint> endpoints;
  std::vector<SlicePort> ports;
};

SliceSpec read_endpoint_slice(ManifestReader& object, const ObjectMeta& meta);
std::vector<SliceSpec> read_endpoints(ManifestReader& object, const ObjectMeta& meta);

// The tables of the services, with the endpoints of the slices that name them.
nlohmann::ordered_json join_services(const std::vector<ServiceSpec>& services,
                                     const std::vector<SliceSpec>& slices, ConvertReport& report);

}  // namespace lb::control
