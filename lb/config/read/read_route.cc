#include <fmt/format.h>

#include "lb/config/read/schema.h"

namespace lb::config {
namespace {

constexpr Count kParentRefs{0, 32};
constexpr Count kRules{1, 1};
constexpr Count kBackendRefs{1, 16};
constexpr Count kGrantEntries{1, 16};
constexpr Count kHostnames{1, 1024};
constexpr int64_t kMaxWeight = 1'000'000;

void read_parent_ref(Reader& reader, ParentRef& ref) {
  ref.where = reader.where();
  reader.text("group", NameRule::kGroup, ref.group);
  reader.text("kind", NameRule::kKind, ref.kind);
  reader.text("namespace", NameRule::kNamespace, ref.name.ns);
  reader.text("name", NameRule::kReference, ref.name.name, Need::kRequired);
  reader.optional_text("sectionName", NameRule::kSection, ref.section_name);
  uint16_t port = 0;
  reader.port("port", port);
  if (port != 0) ref.port = port;
}

void read_backend_ref(Reader& reader, BackendRef& ref) {
  ref.where = reader.where();
  reader.text("group", NameRule::kGroup, ref.group);
  reader.text("kind", NameRule::kKind, ref.kind);
  reader.text("namespace", NameRule::kNamespace, ref.name.ns);
  reader.text("name", NameRule::kReference, ref.name.name, Need::kRequired);
  reader.port("port", ref.port);
  reader.integer("weight", 0, kMaxWeight, ref.weight);
  if (ref.is_service() && !reader.has("port")) {
    reader.fault(FaultCode::kMissingPort, "must have port for Service reference");
  }
}

void read_rule(Reader& reader, const std::string& ns, RouteRule& rule) {
  rule.where = reader.where();
  reader.text("name", NameRule::kSection, rule.name);
  reader.each("backendRefs", kBackendRefs, [&](Reader& entry) {
    BackendRef ref;
    ref.name.ns = ns;
    read_backend_ref(entry, ref);
    rule.backend_refs.push_back(std::move(ref));
  });
}

void read_route(Reader& reader, Route& route) {
  route.where = reader.where();
  read_object_name(reader, route.name);
  reader.timestamp("creationTimestamp", route.creation_time_ms);
  reader.each("parentRefs", kParentRefs, [&](Reader& entry) {
    ParentRef ref;
    ref.name.ns = route.name.ns;
    read_parent_ref(entry, ref);
    route.parent_refs.push_back(std::move(ref));
  });
  reader.each("rules", kRules, [&](Reader& entry) {
    RouteRule rule;
    read_rule(entry, route.name.ns, rule);
    route.rules.push_back(std::move(rule));
  });
}

}  // namespace

void read_tcp_routes(Reader& root, std::vector<TCPRoute>& routes) {
  root.each("tcpRoutes", {}, [&](Reader& reader) {
    TCPRoute route;
    read_route(reader, route);
    routes.push_back(std::move(route));
  });
}

void read_tls_routes(Reader& root, std::vector<TLSRoute>& routes) {
  root.each("tlsRoutes", {}, [&](Reader& reader) {
    TLSRoute route;
    read_route(reader, route);
    std::vector<PlacedText> hostnames;
    reader.texts("hostnames", NameRule::kHostname, kHostnames, hostnames);
    for (PlacedText& hostname : hostnames) route.hostnames.push_back(std::move(hostname.text));
    routes.push_back(std::move(route));
  });
}

void read_reference_grants(Reader& root, std::vector<ReferenceGrant>& grants) {
  root.each("referenceGrants", {}, [&](Reader& reader) {
    ReferenceGrant grant;
    grant.where = reader.where();
    read_object_name(reader, grant.name);
    reader.each("from", kGrantEntries, [&](Reader& entry) {
      ReferenceGrantFrom from;
      from.where = entry.where();
      entry.text("group", NameRule::kGroup, from.group, Need::kRequired);
      entry.text("kind", NameRule::kKind, from.kind, Need::kRequired);
      entry.text("namespace", NameRule::kNamespace, from.ns, Need::kRequired);
      grant.from.push_back(std::move(from));
    });
    reader.each("to", kGrantEntries, [&](Reader& entry) {
      ReferenceGrantTo to;
      to.where = entry.where();
      entry.text("group", NameRule::kGroup, to.group, Need::kRequired);
      entry.text("kind", NameRule::kKind, to.kind, Need::kRequired);
      entry.optional_text("name", NameRule::kReference, to.name);
      grant.to.push_back(std::move(to));
    });
    grants.push_back(std::move(grant));
  });
}

}  // namespace lb::config
