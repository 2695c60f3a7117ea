// Manifests in, TOML out: what each kind becomes, what is left out and said, what is refused; and
// that the loader takes the result.
#include "lb/control/convert/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "lb/config/attach/attach.h"
#include "lb/config/load.h"
#include "test/support/catch.h"

namespace lb::control {
namespace {

using Catch::Contains;

// Without a gateway nothing loads.
const std::string kGateway =
    "[[gateways]]\nname = \"g\"\nlisteners = [{ name = \"l\", port = 1, protocol = \"TCP\" }]\n";

std::string read_manifest(const std::string& name) {
  std::ifstream file(std::string(SLUICE_MANIFESTS_DIR) + "/" + name);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

Converted convert(const std::string& text) { return convert_manifests({{"f.yaml", text}}); }

// For manifests that are to be sound.
std::string toml_of(const std::string& text) {
  const Converted converted = convert(text);
  INFO(joined(converted.errors));
  REQUIRE(converted.toml);
  return *converted.toml;
}

std::string errors_of(const std::string& text) {
  const Converted converted = convert(text);
  CHECK_FALSE(converted.toml);
  return joined(converted.errors);
}

std::string notes_of(const std::string& text) { return joined(convert(text).notes); }

config::LoadResult load(const std::string& toml) {
  config::LoadResult result = config::load_text(toml, "converted");
  std::string faults;
  for (const config::Fault& fault : result.faults) faults += config::format(fault);
  INFO(toml << faults);
  REQUIRE(result.config);
  return result;
}

std::string manifest(const std::string& api, const std::string& kind, const std::string& name,
                     const std::string& rest) {
  return fmt::format("---\napiVersion: {}\nkind: {}\nmetadata: {{ name: {} }}\n{}\n", api, kind,
                     name, rest);
}

std::string service(const std::string& name, const std::string& spec) {
  return manifest("v1", "Service", name, "spec: " + spec);
}

std::string slice(const std::string& service, const std::string& ports,
                  const std::string& endpoints, const std::string& type = "IPv4") {
  static int count = 0;
  return fmt::format(
      "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
      "metadata: {{ name: slice-{}, labels: {{ kubernetes.io/service-name: {} }} }}\n"
      "addressType: {}\nports: {}\nendpoints: {}\n",
      ++count, service, type, ports, endpoints);
}

TEST_CASE("the guide's manifests become the guide's configuration, and it serves") {
  const Converted converted =
      convert_manifests({{"tcp-routing.yaml", read_manifest("tcp-routing.yaml")}});
  REQUIRE(converted.toml);
  CHECK(*converted.toml == read_manifest("tcp-routing.toml"));

  CHECK(joined(converted.notes) ==
        "tcp-routing.yaml:7: left out: spec.gatewayClassName of Gateway "
        "default/simple-fsm-gateway: no meaning here\n"
        "tcp-routing.yaml:22: left out: Deployment httpbin: no counterpart; endpoints come from "
        "EndpointSlices\n"
        "tcp-routing.yaml:49: left out: spec.selector of Service default/httpbin: endpoints come "
        "from EndpointSlices\n");
  const config::LoadResult loaded = load(*converted.toml);
  CHECK(loaded.faults.empty());
  const config::Attachment attachment = config::attach(*loaded.config);
  CHECK(attachment.findings.empty());
  for (const config::AttachedListener& listener : attachment.gateways.at(0).listeners) {
    CHECK(listener.active_route == 0U);
  }
}

TEST_CASE("the conformance manifests load, and come to what the API wants") {
  const auto attach = [](const std::string& name) {
    return config::attach(*load(toml_of(read_manifest("conformance/" + name + ".yaml"))).config);
  };
  using config::Reason;
  CHECK(attach("invalid-backend-ref-nonexistent").tcp_routes.at(0).backends.at(0).reason ==
        Reason::kBackendNotFound);
  CHECK(attach("invalid-cross-namespace-backend-ref").tcp_routes.at(0).backends.at(0).reason ==
        Reason::kRefNotPermitted);
  CHECK(attach("invalid-non-tcp-listener").tcp_routes.at(0).parents.at(0).accepted ==
        Reason::kNotAllowedByListeners);
  const config::Attachment multiple = attach("multiple-routes-attachment");
  CHECK(multiple.gateways.at(0).listeners.at(0).attached_routes == 2);
  CHECK(multiple.gateways.at(0).listeners.at(0).active_route == 0U);
  CHECK(attach("parent-ref-attach-all").tcp_routes.at(0).parents.at(0).listeners.size() == 4);
  const config::Attachment picked = attach("parent-ref-port-and-section-name");
  for (size_t i = 0; i < 3; ++i) {
    CHECK(picked.gateways.at(0).listeners.at(i).active_route == i);
    CHECK(picked.tcp_routes.at(i).backends.at(0).usable());
  }
  CHECK(attach("reference-grant").tcp_routes.at(0).backends.at(0).usable());
  const config::LoadResult weighted =
      load(toml_of(read_manifest("conformance/weighted-routing.yaml")));
  const auto& refs = weighted.config->tcp_routes.at(0).rules.at(0).backend_refs;
  REQUIRE(refs.size() == 3);
  CHECK(refs[0].weight == 70);
  CHECK(refs[1].weight == 30);
  CHECK(refs[2].weight == 0);
}

TEST_CASE("every kind keeps what has a counterpart") {
  const Converted converted = convert_manifests({{"kinds.yaml", read_manifest("kinds.yaml")}});
  INFO(joined(converted.errors));
  REQUIRE(converted.toml);
  CHECK(*converted.toml == read_manifest("kinds.toml"));
  CHECK(joined(converted.notes) == read_manifest("kinds.notes"));
  load(*converted.toml);
}

TEST_CASE("what the API fills in by itself is not written out") {
  const std::string toml = toml_of(
      manifest("gateway.networking.k8s.io/v1", "TCPRoute", "r",
               "spec:\n"
               "  parentRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: g }]\n"
               "  rules: [{ backendRefs: [{ group: '', kind: Service, name: s, port: 1 }] }]"));
  CHECK(toml ==
        "[[tcpRoutes]]\nname = \"r\"\nparentRefs = [{ name = \"g\" }]\n"
        "rules = [{ backendRefs = [{ name = \"s\", port = 1 }] }]\n");
}

TEST_CASE("a target port by name is the number that the EndpointSlices give it") {
  const std::string web = service("s", "{ ports: [{ name: http, port: 80, targetPort: web }] }");
  const std::string one = "[{ addresses: [10.0.0.1] }]";
  const std::string two = "[{ addresses: [10.0.0.2] }]";

  const std::string same = toml_of(web + slice("s", "[{ name: http, port: 8080 }]", one) +
                                   slice("s", "[{ name: http, port: 8080 }]", two));
  CHECK_THAT(same, Contains("ports = [{ name = \"http\", port = 80, targetPort = 8080 }]"));
  CHECK_THAT(same, Contains("[{ address = \"10.0.0.1\" }, { address = \"10.0.0.2\" }]"));

  const std::string each = toml_of(web + slice("s", "[{ name: http, port: 8080 }]", one) +
                                   slice("s", "[{ name: http, port: 9090 }]", two));
  CHECK_THAT(each, Contains("ports = [{ name = \"http\", port = 80 }]"));
  CHECK_THAT(each, Contains("{ address = \"10.0.0.1\", port = 8080 }"));
  CHECK_THAT(each, Contains("{ address = \"10.0.0.2\", port = 9090 }"));
  load(kGateway + each);

  const std::string by_target = toml_of(web + slice("s", "[{ name: web, port: 8080 }]", one));
  CHECK_THAT(by_target, Contains("targetPort = 8080"));

  CHECK_THAT(toml_of(web), Contains("ports = [{ name = \"http\", port = 80 }]\n"));
  CHECK_THAT(notes_of(web), Contains("f.yaml:5: left out: targetPort \"web\" of Service default/s: "
                                     "no EndpointSlice here says its number, so it is 80"));
}

TEST_CASE("endpoints that disagree about several ports are left out and named") {
  const std::string text =
      service("s", "{ ports: [{ name: a, port: 1 }, { name: b, port: 2 }] }") +
      slice("s", "[{ name: a, port: 11 }, { name: b, port: 12 }]", "[{ addresses: [10.0.0.1] }]") +
      slice("s", "[{ name: a, port: 21 }, { name: b, port: 12 }]", "[{ addresses: [10.0.0.2] }]");
  const std::string toml = toml_of(text);
  CHECK_THAT(toml, Contains("targetPort = 11") && Contains("targetPort = 12"));
  CHECK_THAT(toml, Contains("10.0.0.1") && !Contains("10.0.0.2"));
  CHECK_THAT(notes_of(text), Contains("their ports are not those of the other endpoints"));
}

TEST_CASE("the slices of a service are one list, each endpoint once") {
  const std::string text =
      service("s", "{ ports: [{ port: 80 }] }") +
      slice("s", "[{ port: 80 }]",
            "[{ addresses: [10.0.0.1], conditions: { ready: false } }, { addresses: [10.0.0.2], "
            "conditions: { ready: true } }, { addresses: [10.0.0.3], conditions: {} }]") +
      slice(
          "s", "[{ port: 80 }]",
          "[{ addresses: [10.0.0.1] }, { addresses: [10.0.0.4], conditions: { ready: false } }]") +
      slice("s", "[{ port: 80 }]", "[{ addresses: ['FD00:0::1'] }, { addresses: ['fd00::1'] }]",
            "IPv6");
  const std::string toml = toml_of(text);
  // Ready in one slice is ready.
  CHECK_THAT(toml, Contains("endpoints = [\n"
                            "  { address = \"10.0.0.1\" },\n"
                            "  { address = \"10.0.0.2\" },\n"
                            "  { address = \"10.0.0.3\" },\n"
                            "  { address = \"10.0.0.4\", ready = false },\n"
                            "  { address = \"FD00:0::1\" },\n"
                            "]\n"));
  load(kGateway + toml);
}

TEST_CASE("Endpoints of older clusters are read like slices") {
  const std::string toml =
      toml_of(service("s", "{ ports: [{ port: 80, targetPort: 8080 }] }") +
              manifest("v1", "Endpoints", "s",
                       "subsets: [{ addresses: [{ ip: 10.0.0.1 }], notReadyAddresses: [{ ip: "
                       "10.0.0.2 }], ports: [{ port: 8080 }] }]"));
  CHECK_THAT(toml, Contains("ports = [{ port = 80, targetPort = 8080 }]"));
  CHECK_THAT(toml, Contains("endpoints = [{ address = \"10.0.0.1\" }, { address = \"10.0.0.2\", "
                            "ready = false }]"));
}

TEST_CASE("endpoints by name are hostnames") {
  const std::string text = service("s", "{ ports: [{ port: 80 }] }") +
                           slice("s", "[{ port: 80 }]", "[{ addresses: [a.example.com] }]", "FQDN");
  CHECK_THAT(toml_of(text), Contains("endpoints = [{ hostname = \"a.example.com\" }]"));
}

TEST_CASE("what has no place is left out and named with its line") {
  CHECK_THAT(notes_of(service("x", "{ type: ExternalName, externalName: example.com }")),
             Contains("f.yaml:2: left out: Service default/x: an ExternalName"));
  CHECK_THAT(notes_of(service("x", "{ clusterIP: None }")), Contains("it has no ports"));
  CHECK_THAT(notes_of(slice("lost", "[]", "[]")),
             Contains("there is no Service default/lost here"));
  CHECK_THAT(notes_of(service("s", "{ ports: [{ port: 1 }] }")),
             Contains("f.yaml:2: Service default/s has no endpoints"));
  CHECK_THAT(notes_of(manifest("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy", "p", "")),
             Contains("f.yaml:2: left out: BackendTrafficPolicy p: policies have no counterpart"));
  CHECK_THAT(notes_of(manifest("gateway.networking.k8s.io/v1", "HTTPRoute", "h", "")),
             Contains("left out: HTTPRoute h: only TCPRoutes and TLSRoutes are served"));
  CHECK_THAT(notes_of(manifest("gateway.networking.k8s.io/v9", "Gateway", "g", "")),
             Contains("left out: Gateway g: of version \"v9\" nothing is known, but of v1"));
  CHECK_THAT(notes_of(manifest("networking.istio.io/v1", "Gateway", "g", "")),
             Contains("left out: Gateway g: this kind has no counterpart"));
  const std::string rules = notes_of(
      manifest("gateway.networking.k8s.io/v1alpha2", "TCPRoute", "r",
               "spec:\n  rules:\n  - backendRefs: [{ name: a }]\n  - backendRefs: [{ name: b }]\n"
               "  - name: third"));
  CHECK_THAT(rules, Contains("f.yaml:8: left out: spec.rules[1] of TCPRoute default/r") &&
                        Contains("f.yaml:9: left out: spec.rules[2] of TCPRoute default/r"));
  // Said once, with a count: a service may have thousands of endpoints.
  const std::string nodes =
      notes_of(service("s", "{ ports: [{ port: 1 }] }") +
               slice("s", "[]",
                     "[{ addresses: [10.0.0.1], nodeName: a }, { addresses: [10.0.0.2], nodeName: "
                     "b }, { addresses: [10.0.0.3], nodeName: c }]"));
  CHECK_THAT(nodes, Contains("endpoints[].nodeName of EndpointSlice") && Contains("(and 2 more)"));
  CHECK(std::count(nodes.begin(), nodes.end(), '\n') == 1);
}

TEST_CASE("what only TLS listeners have is left out of others") {
  const std::string text = manifest(
      "gateway.networking.k8s.io/v1", "Gateway", "g",
      "spec: { listeners: [{ name: a, port: 443, protocol: HTTPS, hostname: a.b, tls: { mode: "
      "Terminate } }] }");
  CHECK_THAT(toml_of(text), !Contains("hostname") && !Contains("tls"));
  CHECK_THAT(notes_of(text), Contains("spec.listeners[0].hostname") &&
                                 Contains("spec.listeners[0].tls of Gateway default/g"));
}

TEST_CASE("files, documents and lists are one input") {
  const Converted converted = convert_manifests(
      {{"a.yaml", "# nothing\n---\n---\n" + service("s", "{ ports: [{ port: 1 }] }")},
       {"b.json",
        R"({"apiVersion": "v1", "kind": "List", "items": [
             {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSliceList", "items": [
               {"metadata": {"name": "e", "labels": {"kubernetes.io/service-name": "s"}},
                "endpoints": [{"addresses": ["10.0.0.1"]}]}]},
             {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}]})"},
       {"empty.yaml", ""}});
  INFO(joined(converted.errors));
  REQUIRE(converted.toml);
  CHECK(*converted.toml ==
        "[[services]]\nname = \"s\"\nports = [{ port = 1 }]\n"
        "endpoints = [{ address = \"10.0.0.1\" }]\n\n[[namespaces]]\nname = \"n\"\n");
  CHECK(converted.notes.empty());
}

TEST_CASE("every error is said, with its place, and there is no result") {
  CHECK(errors_of("- a\n---\nb\n") ==
        "f.yaml:1:1: error: a manifest must be an object, not a list\n"
        "f.yaml:3:1: error: a manifest must be an object, not the text \"b\"\n");
  CHECK(errors_of("kind: Gateway\n") == "f.yaml:1:1: error: apiVersion of a manifest is missing\n");
  CHECK(errors_of("apiVersion: v1\nkind: Service\nmetadata: { namespace: x }\n") ==
        "f.yaml:3:11: error: metadata.name of a Service is missing\n");
  CHECK(errors_of("apiVersion: v1\nkind: Service\nspec: {}\n") ==
        "f.yaml:1:1: error: metadata.name of a Service is missing\n");
  CHECK(errors_of(manifest("v1", "Service", "5", "")) ==
        "f.yaml:4:19: error: metadata.name of a Service must be a text, not the number 5; put it "
        "in quotes\n");
  CHECK(errors_of(service("s", "{ ports: { port: 1 } }")) ==
        "f.yaml:5:16: error: spec.ports of Service default/s must be a list, not an object\n");
  CHECK_THAT(errors_of(service("s", "{ ports: [{ port: 99999999999999999999 }] }")),
             Contains("spec.ports[0].port of Service default/s must be an integer, not the number "
                      "99999999999999999999"));
  CHECK_THAT(errors_of(service("s", "{ ports: [{ port: '80' }] }")),
             Contains("must be an integer"));
  CHECK_THAT(errors_of(service("s", "{ ports: [{ port: 010 }] }")), Contains("must be an integer"));
  CHECK_THAT(
      errors_of(service("s", "{ ports: [{ port: 1 }] }") +
                slice("s", "[]", "[{ addresses: [nowhere] }]")),
      Contains("endpoints[].addresses of EndpointSlice") && Contains("is not an IP address"));
  CHECK_THAT(errors_of("apiVersion: v1\nkind: Namespace\n"
                       "metadata: { name: n, creationTimestamp: yesterday }\n"),
             Contains("f.yaml:3:22: error: metadata.creationTimestamp is not a time"));
  CHECK_THAT(errors_of("apiVersion: v1\nkind: Namespace\n"
                       "metadata: { name: n, labels: { version: 1.0 } }\n"),
             Contains("metadata.labels[\"version\"] of Namespace n must be a text, not the number "
                      "1.0; put it in quotes"));
  CHECK(errors_of(service("s", "{}") + service("s", "{}")) ==
        "f.yaml:7:1: error: Service default/s is there twice, the first time at f.yaml:2\n");
}

TEST_CASE("more errors than anyone reads are counted") {
  std::string text;
  for (int i = 0; i < 250; ++i) text += "--- x\n";
  const std::vector<std::string> errors = convert(text).errors;
  CHECK(errors.size() == 101);
  CHECK(errors.back() == "150 more errors");
}

TEST_CASE("strange texts are quoted, and what is said of them cannot steer a terminal") {
  const std::string text =
      "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: \"a\\e[31m\\n\\\"b\"\n"
      "  annotations: { x: y }\n"
      "  labels: { \"q\\\"\\\\\": \"\\u00e9\\U0001F600\\t\\0\\x7f\", 'a b': '''', on: \"yes\" }\n";
  const std::string toml = toml_of(text);
  CHECK(
      toml ==
      "[[namespaces]]\nname = \"a\\u001B[31m\\n\\\"b\"\n"
      "labels = { \"q\\\"\\\\\" = \"\xC3\xA9\xF0\x9F\x98\x80\\t\\u0000\\u007F\", \"a b\" = \"'\", "
      "on = \"yes\" }\n");
  CHECK(
      notes_of(text) ==
      "f.yaml:5: left out: metadata.annotations of Namespace a\\x1b[31m\\x0a\"b: no counterpart\n");
}

TEST_CASE("long lists go over lines, short ones do not") {
  std::string refs;
  for (int i = 0; i < 5; ++i) refs += fmt::format("{{ name: backend-{}, port: 3000 }}, ", i);
  const std::string toml = toml_of(manifest("gateway.networking.k8s.io/v1", "TCPRoute", "r",
                                            "spec: { rules: [{ backendRefs: [" + refs + "] }] }"));
  CHECK_THAT(toml, Contains("rules = [{ backendRefs = [\n"
                            "  { name = \"backend-0\", port = 3000 },\n") &&
                       Contains("  { name = \"backend-4\", port = 3000 },\n] }]\n"));
  load(kGateway + toml);
}

}  // namespace
}  // namespace lb::control
