// The keys of the configuration, one read function a noun. Each takes the objects of its kind out
// of the root table and checks what one object alone can get wrong; validate.h checks the objects
// among each other.
#pragma once

#include "lb/config/model.h"
#include "lb/config/read/reader.h"

namespace lb::config {

// The whole root: everything below.
void read_config(Reader& root, Config& config);

void read_gateways(Reader& root, const ListenerPolicy& defaults, std::vector<Gateway>& gateways);
void read_tcp_routes(Reader& root, std::vector<TCPRoute>& routes);
void read_tls_routes(Reader& root, std::vector<TLSRoute>& routes);
void read_reference_grants(Reader& root, std::vector<ReferenceGrant>& grants);
void read_services(Reader& root, const ServicePolicy& defaults, std::vector<Service>& services);
void read_namespaces(Reader& root, std::vector<Namespace>& namespaces);
void read_runtime(Reader& root, Runtime& runtime);
void read_admin(Reader& root, Admin& admin);
void read_access_log(Reader& root, AccessLog& access_log);
void read_dns(Reader& root, DNS& dns);
void read_log(Reader& root, Log& log);

// The extensions, which [defaults] takes too. `service` is the one that has them, its endpoints
// read already; null for [defaults], where what has no effect by itself may have one for some
// service.
void read_listener_policy(Reader& reader, ListenerPolicy& policy);
void read_service_policy(Reader& reader, const Service* service, ServicePolicy& policy);

// Parts of the last one.
void read_load_balancer(Reader& reader, const Service* service, ServicePolicy& policy);
void read_health_check(Reader& reader, const Service* service, ServicePolicy& policy);
void read_proxy_header(Reader& reader, ProxyHeader& header);
void read_source(Reader& reader, UpstreamSource& source);
void read_closing(Reader& reader, std::string_view key, Closing& closing);
void read_dns_policy(Reader& reader, const Service* service, DNSPolicy& policy);

// One endpoint of a service.
void read_endpoint(Reader& reader, Endpoint& endpoint);

// The bytes behind `key`; those of each of its entries.
void read_payload(Reader& reader, std::string_view key, std::string& payload);
void read_payloads(Reader& reader, std::string_view key, std::vector<std::string>& payloads);

void read_selector(Reader& reader, LabelSelector& selector);

// `name` and `namespace`, which every object begins with.
void read_object_name(Reader& reader, ObjectName& name);

}  // namespace lb::config
