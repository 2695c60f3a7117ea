// From documents to objects to tables: what a manifest is, by apiVersion and kind, and whose
// function reads it.
#include "lb/control/convert/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "lb/config/read/timestamp.h"
#include "lb/control/convert/convert_kinds.h"
#include "lb/control/convert/manifest_text.h"
#include "lb/control/convert/toml_writer.h"

namespace lb::control {

using nlohmann::ordered_json;

namespace {

enum class ManifestKind {
  kGateway,
  kTCPRoute,
  kTLSRoute,
  kService,
  kEndpointSlice,
  kEndpoints,
  kReferenceGrant,
  kNamespace,
};

struct KnownKind {
  ManifestKind id;
  std::string_view group;
  std::string_view kind;
  std::array<std::string_view, 4> versions;  // those whose fields are the ones we read
};

constexpr KnownKind kKnownKinds[] = {
    {ManifestKind::kGateway, kGatewayGroup, "Gateway", {"v1", "v1beta1", "v1alpha2"}},
    {ManifestKind::kTCPRoute, kGatewayGroup, "TCPRoute", {"v1", "v1alpha2"}},
    {ManifestKind::kTLSRoute, kGatewayGroup, "TLSRoute", {"v1", "v1alpha3", "v1alpha2"}},
    {ManifestKind::kService, "", "Service", {"v1"}},
    {ManifestKind::kEndpointSlice, "discovery.k8s.io", "EndpointSlice", {"v1"}},
    {ManifestKind::kEndpoints, "", "Endpoints", {"v1"}},
    {ManifestKind::kReferenceGrant, kGatewayGroup, "ReferenceGrant", {"v1", "v1beta1", "v1alpha2"}},
    {ManifestKind::kNamespace, "", "Namespace", {"v1"}},
};

struct Identity {
  std::string group;
  std::string version;
  std::string kind;
};

std::string_view why_unknown(const Identity& id) {
  if (id.kind.ends_with("Policy")) {
    return "policies have no counterpart; listeners and services have keys of their own";
  }
  if (id.group == kGatewayGroup && id.kind.ends_with("Route")) {
    return "only TCPRoutes and TLSRoutes are served";
  }
  if (id.kind == "Deployment" || id.kind == "Pod" || id.kind == "StatefulSet" ||
      id.kind == "DaemonSet" || id.kind == "ReplicaSet") {
    return "no counterpart; endpoints come from EndpointSlices";
  }
  return "this kind has no counterpart";
}

std::string text_or_empty(const ManifestNode* node) {
  return node != nullptr && node->kind == ManifestNode::Kind::kText ? node->text : "";
}

class Conversion {
 public:
  explicit Conversion(const std::vector<std::string>& names) : names_(names) {}

  ConvertReport& report() { return report_; }

  // `list` gives what its items may leave out.
  void add(const ManifestNode& document, const Identity* list);

  std::string toml();

 private:
  bool identify(const ManifestNode& document, const Identity* list, Identity& out);
  void add_list(const ManifestNode& document, const Identity& id);
  void leave_out(const ManifestNode& document, const Identity& id, std::string_view why);
  const KnownKind* find_kind(const ManifestNode& document, const Identity& id);
  void add_known(const ManifestNode& document, const KnownKind& known);
  bool read_meta(ManifestReader& object, ManifestKind kind, ObjectMeta& meta);
  void convert(ManifestReader& object, ManifestKind kind, const ObjectMeta& meta);
  bool first_of_its_name(const ManifestReader& object);

  const std::vector<std::string>& names_;  // of the files
  ConvertReport report_;
  ordered_json gateways_ = ordered_json::array();
  ordered_json tcp_routes_ = ordered_json::array();
  ordered_json tls_routes_ = ordered_json::array();
  ordered_json grants_ = ordered_json::array();
  ordered_json namespaces_ = ordered_json::array();
  std::vector<ServiceSpec> services_;
  std::vector<SliceSpec> slices_;
  absl::flat_hash_map<std::string, config::SourcePosition> seen_;  // by owner
};

bool Conversion::identify(const ManifestNode& document, const Identity* list, Identity& out) {
  if (document.kind != ManifestNode::Kind::kObject) {
    report_.error(document.where,
                  fmt::format("a manifest must be an object, not {}", describe(document)));
    return false;
  }
  ManifestReader reader(document, "a manifest", report_);
  const bool whole = list == nullptr || list->kind.empty();
  const std::optional<std::string> kind =
      whole || document.find("kind") != nullptr ? reader.required_text("kind") : list->kind;
  const std::optional<std::string> api =
      whole || document.find("apiVersion") != nullptr
          ? reader.required_text("apiVersion")
          : list->group + (list->group.empty() ? "" : "/") + list->version;
  if (!kind || !api) return false;
  const size_t slash = api->rfind('/');
  out.kind = *kind;
  out.group = slash == std::string::npos ? "" : api->substr(0, slash);
  out.version = slash == std::string::npos ? *api : api->substr(slash + 1);
  return true;
}

void Conversion::add(const ManifestNode& document, const Identity* list) {
  Identity id;
  if (!identify(document, list, id)) return;
  const bool is_list = id.kind.ends_with("List") && document.find("items") != nullptr;
  if (is_list) {
    add_list(document, id);
  } else if (const KnownKind* known = find_kind(document, id)) {
    add_known(document, *known);
  }
}

void Conversion::add_list(const ManifestNode& document, const Identity& id) {
  const ManifestNode& items = *document.find("items");
  if (items.kind == ManifestNode::Kind::kNull) return;
  if (items.kind != ManifestNode::Kind::kList) {
    report_.error(items.where, fmt::format("items of a {} must be a list, not {}",
                                           in_quotes(id.kind), describe(items)));
    return;
  }
  // Lists as the API server gives them say the kind of their items only once: GatewayList.
  Identity item = id;
  item.kind.resize(item.kind.size() - std::string_view("List").size());
  for (const ManifestNode& entry : items.items) add(entry, &item);
}

void Conversion::leave_out(const ManifestNode& document, const Identity& id, std::string_view why) {
  std::string name;
  if (const ManifestNode* meta = document.find("metadata")) {
    const std::string ns = text_or_empty(meta->find("namespace"));
    name = " " + (ns.empty() ? "" : ns + "/") + text_or_empty(meta->find("name"));
  }
  report_.note(document.where, fmt::format("left out: {}{}: {}", id.kind, name, why));
}

const KnownKind* Conversion::find_kind(const ManifestNode& document, const Identity& id) {
  for (const KnownKind& known : kKnownKinds) {
    if (known.group != id.group || known.kind != id.kind) continue;
    if (std::find(known.versions.begin(), known.versions.end(), id.version) !=
        known.versions.end()) {
      return &known;
    }
    leave_out(document, id,
              fmt::format("of version {} nothing is known, but of {}", in_quotes(id.version),
                          known.versions[0]));
    return nullptr;
  }
  leave_out(document, id, why_unknown(id));
  return nullptr;
}

bool Conversion::read_meta(ManifestReader& object, ManifestKind kind, ObjectMeta& meta) {
  bool named = false;
  const bool has_meta = object.object("metadata", [&](ManifestReader& reader) {
    meta.ns = kind == ManifestKind::kNamespace ? "" : reader.text("namespace").value_or("");
    if (meta.ns.empty()) meta.ns = kDefaultNamespace;
    const std::optional<std::string> name = reader.required_text("name");
    named = name.has_value();
    meta.name = name.value_or("");
    const std::optional<std::string> created = reader.text("creationTimestamp");
    if (created && !config::parse_rfc3339_ms(*created)) {
      report_.error(reader.where("creationTimestamp"),
                    fmt::format("{} is not a time such as \"2024-05-01T12:00:00Z\": {}",
                                reader.path("creationTimestamp"), in_quotes(*created)));
    }
    meta.creation_timestamp = created.value_or("");
    if (kind == ManifestKind::kNamespace || kind == ManifestKind::kEndpointSlice) {
      meta.labels = reader.text_map("labels");
    }
    for (const char* key :
         {"uid", "resourceVersion", "generation", "managedFields", "selfLink", "generateName",
          "ownerReferences", "finalizers", "deletionTimestamp", "deletionGracePeriodSeconds"}) {
      reader.ignore(key);
    }
  });
  if (!has_meta && object.any("metadata") == nullptr) {
    report_.error(object.where(), fmt::format("metadata.name of {} is missing", object.owner()));
  }
  return named;
}

bool Conversion::first_of_its_name(const ManifestReader& object) {
  const auto [first, is_new] = seen_.try_emplace(std::string(object.owner()), object.where());
  if (is_new) return true;
  report_.error(object.where(),
                fmt::format("{} is there twice, the first time at {}:{}", object.owner(),
                            names_[first->second.file], first->second.line));
  return false;
}

void Conversion::add_known(const ManifestNode& document, const KnownKind& known) {
  // The name comes before anything that needs it in a message.
  const ManifestNode* metadata = document.find("metadata");
  const std::string name = metadata == nullptr ? "" : text_or_empty(metadata->find("name"));
  std::string ns = metadata == nullptr ? "" : text_or_empty(metadata->find("namespace"));
  if (ns.empty()) ns = kDefaultNamespace;
  const bool is_namespaced = known.id != ManifestKind::kNamespace;
  std::string owner(known.kind);
  if (name.empty()) {
    owner = "a " + owner;
  } else {
    owner += " " + (is_namespaced ? ns + "/" : "") + name;
  }
  ManifestReader object(document, owner, report_);
  for (const char* key : {"apiVersion", "kind", "status"}) object.ignore(key);
  ObjectMeta meta;
  if (!read_meta(object, known.id, meta) || !first_of_its_name(object)) return;
  convert(object, known.id, meta);
  object.leave_out_the_rest();
}

void Conversion::convert(ManifestReader& object, ManifestKind kind, const ObjectMeta& meta) {
  switch (kind) {
    case ManifestKind::kGateway:
      gateways_.push_back(convert_gateway(object, meta));
      return;
    case ManifestKind::kTCPRoute:
      tcp_routes_.push_back(convert_route(object, meta));
      return;
    case ManifestKind::kTLSRoute:
      tls_routes_.push_back(convert_route(object, meta));
      return;
    case ManifestKind::kService:
      if (std::optional<ServiceSpec> service = read_service(object, meta)) {
        services_.push_back(*std::move(service));
      }
      return;
    case ManifestKind::kEndpointSlice:
      slices_.push_back(read_endpoint_slice(object, meta));
      return;
    case ManifestKind::kEndpoints: {
      std::vector<SliceSpec> slices = read_endpoints(object, meta);
      std::move(slices.begin(), slices.end(), std::back_inserter(slices_));
      return;
    }
    case ManifestKind::kReferenceGrant:
      grants_.push_back(convert_reference_grant(object, meta));
      return;
    case ManifestKind::kNamespace:
      break;
  }
  namespaces_.push_back(convert_namespace(object, meta));
}

std::string Conversion::toml() {
  ordered_json root = ordered_json::object();
  root["gateways"] = std::move(gateways_);
  root["tcpRoutes"] = std::move(tcp_routes_);
  root["tlsRoutes"] = std::move(tls_routes_);
  root["services"] = join_services(services_, slices_, report_);
  root["referenceGrants"] = std::move(grants_);
  root["namespaces"] = std::move(namespaces_);
  return write_toml(root);
}

}  // namespace

ordered_json table_of(const ObjectMeta& meta) {
  ordered_json out = {{"name", meta.name}};
  if (meta.ns != kDefaultNamespace) out["namespace"] = meta.ns;
  return out;
}

void copy_text(ManifestReader& from, std::string_view key, ordered_json& to,
               std::string_view unless) {
  std::optional<std::string> value = from.text(key);
  if (value && (unless.empty() || *value != unless)) to[std::string(key)] = *std::move(value);
}

void copy_integer(ManifestReader& from, std::string_view key, ordered_json& to) {
  if (const std::optional<int64_t> value = from.integer(key)) to[std::string(key)] = *value;
}

void copy_reference_kind(ManifestReader& from, ordered_json& to, std::string_view default_group,
                         std::string_view default_kind) {
  const std::optional<std::string> group = from.text("group");
  const std::optional<std::string> kind = from.text("kind");
  if (group && *group != default_group) to["group"] = *group;
  if (kind && *kind != default_kind) to["kind"] = *kind;
}

Converted convert_manifests(const std::vector<ManifestFile>& files) {
  std::vector<std::string> names;
  names.reserve(files.size());
  for (const ManifestFile& file : files) names.push_back(file.name);
  Conversion conversion(names);
  for (size_t i = 0; i < files.size(); ++i) {
    const ParsedManifests parsed = parse_manifests(files[i].text, static_cast<uint32_t>(i));
    if (parsed.error) {
      conversion.report().error(parsed.error->where, parsed.error->message);
      continue;
    }
    for (const ManifestNode& document : parsed.documents) conversion.add(document, nullptr);
  }
  Converted result;
  std::string toml = conversion.toml();
  result.errors = conversion.report().error_lines(names);
  result.notes = conversion.report().note_lines(names);
  if (result.errors.empty()) result.toml = std::move(toml);
  return result;
}

}  // namespace lb::control
