// Manifests put together from short pieces, all in one namespace unless they say another.
#pragma once

#include <fmt/format.h>

#include <string>

namespace lb::test {

inline std::string manifest(const std::string& api, const std::string& kind,
                            const std::string& metadata, const std::string& spec) {
  return fmt::format("apiVersion: {}\nkind: {}\nmetadata: {{ {} }}\n{}\n---\n", api, kind, metadata,
                     spec);
}

inline std::string gateway_kind(const std::string& kind, const std::string& metadata,
                                const std::string& spec) {
  return manifest("gateway.networking.k8s.io/v1", kind, metadata, "spec: { " + spec + " }");
}

// `metadata` and all else is the inside of a flow mapping or list:
// gateway("name: g", "{ name: tcp, port: 1, protocol: TCP }").
inline std::string gateway(const std::string& metadata, const std::string& listeners,
                           const std::string& more = "") {
  return gateway_kind("Gateway", metadata,
                      "gatewayClassName: sluice, " + more + "listeners: [" + listeners + "]");
}

inline std::string route(const std::string& metadata, const std::string& parents,
                         const std::string& backends) {
  return gateway_kind(
      "TCPRoute", metadata,
      fmt::format("parentRefs: [{}], rules: [{{ backendRefs: [{}] }}]", parents, backends));
}

// A Service whose port 3000 is an echo server's; `ip` may be empty for one without endpoints.
inline std::string service(const std::string& name, const std::string& ip,
                           const std::string& ns = "default") {
  const std::string metadata = fmt::format("name: {}, namespace: {}", name, ns);
  std::string out = manifest("v1", "Service", metadata, "spec: { ports: [{ port: 3000 }] }");
  if (ip.empty()) return out;
  return out + manifest("discovery.k8s.io/v1", "EndpointSlice",
                        metadata + ", labels: { kubernetes.io/service-name: " + name + " }",
                        "addressType: IPv4\nports: [{ port: 3000 }]\nendpoints: [{ addresses: [" +
                            ip + "] }]");
}

// Lets TCPRoutes of namespace `from` use that service of namespace `ns`.
inline std::string grant(const std::string& ns, const std::string& from,
                         const std::string& service_name) {
  return gateway_kind(
      "ReferenceGrant", "name: grant, namespace: " + ns,
      fmt::format("from: [{{ group: gateway.networking.k8s.io, kind: TCPRoute, namespace: {} }}], "
                  "to: [{{ group: '', kind: Service, name: {} }}]",
                  from, service_name));
}

}  // namespace lb::test
