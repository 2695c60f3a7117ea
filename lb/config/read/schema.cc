#include "lb/config/read/schema.h"

namespace lb::config {

void read_object_name(Reader& reader, ObjectName& name) {
  reader.text("name", NameRule::kObject, name.name, Need::kRequired);
  reader.text("namespace", NameRule::kNamespace, name.ns);
}

void read_config(Reader& root, Config& config) {
  root.claim("include");  // include.h has been through it
  ListenerPolicy listener_defaults;
  ServicePolicy service_defaults;
  root.table("defaults", [&](Reader& defaults) {
    defaults.table("listener",
                   [&](Reader& reader) { read_listener_policy(reader, listener_defaults); });
    defaults.table("service",
                   [&](Reader& reader) { read_service_policy(reader, nullptr, service_defaults); });
  });
  read_gateways(root, listener_defaults, config.gateways);
  read_tcp_routes(root, config.tcp_routes);
  read_tls_routes(root, config.tls_routes);
  read_services(root, service_defaults, config.services);
  read_reference_grants(root, config.reference_grants);
  read_namespaces(root, config.namespaces);
  read_runtime(root, config.runtime);
  read_admin(root, config.admin);
  read_dns(root, config.dns);
  read_access_log(root, config.access_log);
  read_log(root, config.log);
  root.finish();
}

}  // namespace lb::config
