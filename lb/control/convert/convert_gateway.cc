// Gateways, with their listeners, and namespaces.
#include "lb/control/convert/convert_kinds.h"

namespace lb::control {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kNoMeaning = "no meaning here";

ordered_json selector(ManifestReader& reader) {
  ordered_json out = ordered_json::object();
  for (auto& [key, value] : reader.text_map("matchLabels")) out["matchLabels"][key] = value;
  reader.each("matchExpressions", [&](ManifestReader& entry) {
    ordered_json expression = ordered_json::object();
    copy_text(entry, "key", expression);
    copy_text(entry, "operator", expression);
    std::vector<std::string> values = entry.texts("values");
    if (!values.empty()) expression["values"] = std::move(values);
    out["matchExpressions"].push_back(std::move(expression));
  });
  return out;
}

ordered_json allowed_routes(ManifestReader& reader) {
  ordered_json out = ordered_json::object();
  reader.object("namespaces", [&](ManifestReader& namespaces) {
    copy_text(namespaces, "from", out["namespaces"]);
    namespaces.object("selector", [&](ManifestReader& entry) {
      out["namespaces"]["selector"] = selector(entry);
    });
    if (out["namespaces"].is_null()) out.erase("namespaces");
  });
  reader.each("kinds", [&](ManifestReader& entry) {
    ordered_json kind = ordered_json::object();
    copy_text(entry, "group", kind, kGatewayGroup);
    copy_text(entry, "kind", kind);
    out["kinds"].push_back(std::move(kind));
  });
  return out;
}

void copy_tls(ManifestReader& reader, ordered_json& listener) {
  reader.object("tls", [&](ManifestReader& tls) {
    copy_text(tls, "mode", listener["tls"]);
    if (listener["tls"].is_null()) listener.erase("tls");
    tls.leave_out("certificateRefs", "TLS is passed through, never terminated");
  });
}

ordered_json listener(ManifestReader& reader) {
  ordered_json out = ordered_json::object();
  copy_text(reader, "name", out);
  copy_integer(reader, "port", out);
  copy_text(reader, "protocol", out);
  if (out.value("protocol", "") == "TLS") {
    copy_text(reader, "hostname", out);
    copy_tls(reader, out);
  } else {
    reader.leave_out("hostname", "only TLS listeners have one");
    reader.leave_out("tls", "only TLS listeners have it");
  }
  reader.object("allowedRoutes", [&](ManifestReader& allowed) {
    ordered_json routes = allowed_routes(allowed);
    if (!routes.empty()) out["allowedRoutes"] = std::move(routes);
  });
  return out;
}

}  // namespace

ordered_json convert_gateway(ManifestReader& object, const ObjectMeta& meta) {
  ordered_json out = table_of(meta);
  if (!meta.creation_timestamp.empty()) out["creationTimestamp"] = meta.creation_timestamp;
  object.object("spec", [&](ManifestReader& spec) {
    spec.leave_out("gatewayClassName", kNoMeaning);
    spec.leave_out("infrastructure", kNoMeaning);
    spec.leave_out("allowedListeners", "there are no ListenerSets");
    spec.leave_out("tls", "TLS is passed through, never terminated");
    spec.each("addresses", [&](ManifestReader& entry) {
      ordered_json address = ordered_json::object();
      copy_text(entry, "type", address, "IPAddress");
      copy_text(entry, "value", address);
      out["addresses"].push_back(std::move(address));
    });
    spec.each("listeners",
              [&](ManifestReader& entry) { out["listeners"].push_back(listener(entry)); });
  });
  return out;
}

ordered_json convert_namespace(ManifestReader& object, const ObjectMeta& meta) {
  ordered_json out = {{"name", meta.name}};
  for (const auto& [key, value] : meta.labels) out["labels"][key] = value;
  object.object("spec", [](ManifestReader& spec) { spec.ignore("finalizers"); });
  return out;
}

}  // namespace lb::control
