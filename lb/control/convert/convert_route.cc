// Routes and reference grants.
#include "lb/control/convert/convert_kinds.h"

namespace lb::control {
namespace {

using nlohmann::ordered_json;

ordered_json parent_ref(ManifestReader& reader) {
  ordered_json out = ordered_json::object();
  copy_reference_kind(reader, out, kGatewayGroup, "Gateway");
  copy_text(reader, "namespace", out);
  copy_text(reader, "name", out);
  copy_text(reader, "sectionName", out);
  copy_integer(reader, "port", out);
  return out;
}

ordered_json backend_ref(ManifestReader& reader) {
  ordered_json out = ordered_json::object();
  copy_reference_kind(reader, out, "", "Service");
  copy_text(reader, "namespace", out);
  copy_text(reader, "name", out);
  copy_integer(reader, "port", out);
  copy_integer(reader, "weight", out);
  return out;
}

ordered_json rule(ManifestReader& reader) {
  ordered_json out = ordered_json::object();
  copy_text(reader, "name", out);
  reader.each("backendRefs",
              [&](ManifestReader& entry) { out["backendRefs"].push_back(backend_ref(entry)); });
  return out;
}

}  // namespace

ordered_json convert_route(ManifestReader& object, const ObjectMeta& meta) {
  ordered_json out = table_of(meta);
  if (!meta.creation_timestamp.empty()) out["creationTimestamp"] = meta.creation_timestamp;
  object.object("spec", [&](ManifestReader& spec) {
    spec.each("parentRefs",
              [&](ManifestReader& entry) { out["parentRefs"].push_back(parent_ref(entry)); });
    std::vector<std::string> hostnames = spec.texts("hostnames");
    if (!hostnames.empty()) out["hostnames"] = std::move(hostnames);
    spec.each("rules", [&](ManifestReader& entry) {
      if (!out.contains("rules")) {
        out["rules"].push_back(rule(entry));
        return;
      }
      entry.report().note(entry.where(), "left out: " + entry.path("") + " of " +
                                             std::string(entry.owner()) + ": a route has one rule");
      entry.ignore_the_rest();
    });
  });
  return out;
}

ordered_json convert_reference_grant(ManifestReader& object, const ObjectMeta& meta) {
  ordered_json out = table_of(meta);
  object.object("spec", [&](ManifestReader& spec) {
    spec.each("from", [&](ManifestReader& entry) {
      ordered_json from = ordered_json::object();
      for (const char* key : {"group", "kind", "namespace"}) copy_text(entry, key, from);
      out["from"].push_back(std::move(from));
    });
    spec.each("to", [&](ManifestReader& entry) {
      ordered_json to = ordered_json::object();
      for (const char* key : {"group", "kind", "name"}) copy_text(entry, key, to);
      out["to"].push_back(std::move(to));
    });
  });
  return out;
}

}  // namespace lb::control
