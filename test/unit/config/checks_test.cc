// The 31 checks of the Gateway model, one by one and by their numbers: each shows the fault, its
// line and column, and, where the file loads, the condition that says so with the API's reason.
#include <cerrno>

#include "test/support/catch.h"
#include "test/unit/config/config_text.h"

namespace lb::config {
namespace {

struct Check {
  int number;
  std::string_view about;
  std::string text;
  std::vector<std::string> expected;    // code, line and column
  std::string_view says;                // in what is printed
  std::vector<std::string> conditions;  // beginnings of lines; none when the file is refused
  std::vector<BindOutcome> bound = {};
};

void run(const std::vector<Check>& checks) {
  for (const Check& check : checks) {
    DYNAMIC_SECTION("check " << check.number << ": " << check.about) {
      const Outcome outcome = outcome_of(check.text, check.bound.empty() ? nullptr : &check.bound);
      INFO(check.text);
      const std::string shown = printed(outcome.faults);
      INFO(shown);
      CHECK(places(outcome.faults) == check.expected);
      CHECK(shown.find(check.says) != std::string::npos);
      const std::string conditions = condition_text(outcome.status);
      INFO(conditions);
      CHECK(outcome.is_valid == !conditions.empty());
      CHECK(check.conditions.empty() == conditions.empty());
      for (const std::string& line : check.conditions) {
        INFO(line);
        CHECK(("\n" + conditions).find("\n" + line) != std::string::npos);
      }
    }
  }
}

const std::string kListener = "{ name = 'l', port = 80, protocol = 'TCP' }";

// The gateway's extra keys in line 2, its listeners in line 4.
std::string gateway(std::string_view keys, std::string_view listeners = kListener) {
  return fmt::format("[[gateways]]\n{}\nlisteners = [\n{}\n]\nname = 'g'\n", keys, listeners);
}

// The route's parentRefs in line 2, its backendRefs in line 4.
std::string route(std::string_view parents, std::string_view backends,
                  std::string_view name = "r") {
  return fmt::format(
      "[[tcpRoutes]]\nparentRefs = [{}]\nrules = [{{ backendRefs = [\n{}\n] }}]\nname = '{}'\n",
      parents, backends, name);
}

constexpr std::string_view kParent = "{ name = 'g' }";
constexpr std::string_view kBackend = "{ name = 's', port = 1 }";
constexpr std::string_view kService =
    "[[services]]\nname = 's'\nports = [{ port = 1 }]\nendpoints = [{ address = '10.0.0.1' }]\n";

// A sound gateway, from line 1 to 6, behind the given text; then the service.
std::string with_gateway(const std::string& text) {
  return text + gateway("", kListener) + std::string(kService);
}

std::string with_route(const std::string& text) {
  return text + route(kParent, kBackend) + std::string(kService);
}

std::string listeners(int count) {
  std::string out;
  for (int i = 1; i <= count; ++i) {
    out += fmt::format("{{ name = 'l{0}', port = {0}, protocol = 'TCP' }}, ", i);
  }
  return out;
}

std::string many(std::string_view entry, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += std::string(entry) + ", ";
  return out;
}

TEST_CASE("checks 1 to 8: gateways that the API would not admit refuse the file") {
  const std::string addresses = "addresses = [{ value = '10.0.0.1' }, { value = '10.0.0.1' }]";
  const std::string from = "{ name = 'l', port = 80, protocol = 'TCP', allowedRoutes.namespaces";
  run({
      {1, "syntax", "a = = 1\n", {"E0101 1:5"}, "error[E0101]", {}},
      {1, "unknown key", gateway("nam = 'x'"), {"E0105 2:1"}, "did you mean \"name\"?", {}},
      {1, "wrong type", gateway("namespace = 1"), {"E0106 2:13"}, "must be a string", {}},
      {1,
       "missing key",
       gateway("", "{ port = 80, protocol = 'TCP' }"),
       {"E0107 4:1"},
       "name is missing",
       {}},
      {2,
       "duplicate object",
       gateway("") + gateway(""),
       {"E0202 7:1"},
       "duplicate gateway \"g\", first defined at line 1",
       {}},
      {3,
       "pattern of a name",
       gateway("", "{ name = 'L', port = 80, protocol = 'TCP' }"),
       {"E0113 4:10"},
       "lower case",
       {}},
      {3,
       "length of a namespace",
       gateway("namespace = '" + std::string(64, 'a') + "'"),
       {"E0113 2:13"},
       "1 to 63 characters",
       {}},
      {3,
       "pattern of a sectionName",
       with_gateway(route("{ name = 'g', sectionName = 'A_' }", kBackend)),
       {"E0113 2:43"},
       "",
       {}},
      {4, "no listener", gateway("", ""), {"E0114 3:13"}, "1 to 64 entries, but has 0", {}},
      {4,
       "65 listeners",
       gateway("", listeners(65)),
       {"E0114 3:13"},
       "1 to 64 entries, but has 65",
       {}},
      {4,
       "one name twice",
       gateway("", kListener + ", { name = 'l', port = 81, protocol = 'TCP' }"),
       {"E0203 4:46"},
       "Listener name must be unique within the Gateway",
       {}},
      {4,
       "port 0",
       gateway("", "{ name = 'l', port = 0, protocol = 'TCP' }"),
       {"E0110 4:22"},
       "within 1..65535",
       {}},
      {5,
       "port and protocol twice",
       gateway("", kListener + ", { name = 'm', port = 80, protocol = 'TCP' }"),
       {"E0204 4:46"},
       "Combination of port, protocol and hostname must be unique for each listener",
       {}},
      {6,
       "hostname of a TCP listener",
       gateway("", "{ name = 'l', port = 80, protocol = 'TCP', hostname = 'a.b' }"),
       {"E0205 4:55"},
       "hostname must not be specified for protocols ['TCP', 'UDP']",
       {}},
      {6,
       "tls of a TCP listener",
       gateway("", "{ name = 'l', port = 80, protocol = 'TCP', tls.mode = 'Passthrough' }"),
       {"E0205 4:44"},
       "tls must not be specified for protocols",
       {}},
      {7,
       "an address twice",
       gateway(addresses),
       {"E0206 2:38"},
       "IPAddress values must be unique",
       {}},
      {7,
       "17 addresses",
       gateway("addresses = [" + many("{ value = '' }", 17) + "]"),
       {"E0114 2:13"},
       "at most 16 entries, but has 17",
       {}},
      {8,
       "Selector without selector",
       gateway("", from + ".from = 'Selector' }"),
       {"E0107 4:76"},
       "selector is missing",
       {}},
      {8,
       "from elsewhere",
       gateway("", from + ".from = 'None' }"),
       {"E0109 4:76"},
       "must be \"Same\", \"All\" or \"Selector\", but is \"None\"",
       {}},
  });
}

TEST_CASE("checks 9 to 17: gateways and listeners that load and say what is wrong") {
  const std::string address = "addresses = [{ type = 'Hostname', value = 'a.b' }]";
  const std::string used = "addresses = [{ value = '10.9.9.9' }, { value = '127.0.0.1' }]";
  const auto two = [](std::string_view second) {
    return gateway("", kListener) +
           fmt::format("[[gateways]]\nname = 'h'\nlisteners = [\n{}\n]\n", second);
  };
  run({
      {9,
       "type of an address",
       with_route(gateway(address)),
       {"W0301 2:14"},
       "address type \"Hostname\" is not supported",
       {"gateway g: Accepted=False/UnsupportedAddress: addresses of type \"Hostname\"",
        "gateway g: Programmed=False/Invalid", "listener g/l: Programmed=False/Invalid"}},
      {10,
       "address that this host does not have",
       with_route(gateway(used)),
       {"W0321 2:14"},
       "listener \"l\" of gateway \"g\" is not bound: this host does not have \"10.9.9.9\"",
       {"gateway g: Accepted=True/Accepted",
        "gateway g: Programmed=False/AddressNotUsable: this host does not have \"10.9.9.9\"",
        "listener g/l: Accepted=True/Accepted", "listener g/l: Programmed=True/Programmed"},
       {{{0, 0}, "10.9.9.9", EADDRNOTAVAIL}, {{0, 0}, "127.0.0.1", 0}}},
      {11,
       "address without a value",
       with_route(gateway("addresses = [{ value = '' }]")),
       {"W0302 2:14"},
       "has no value",
       {"gateway g: Accepted=True/Accepted", "gateway g: Programmed=False/AddressNotAssigned",
        "listener g/l: Programmed=False/Pending"}},
      {12,
       "protocol",
       gateway("", "{ name = 'l', port = 80, protocol = 'HTTP' }"),
       {"W0303 4:1"},
       "protocol \"HTTP\" is not supported",
       {"listener g/l: Accepted=False/UnsupportedProtocol",
        "listener g/l: Programmed=False/Invalid"}},
      {13,
       "kind of a route",
       with_route(gateway("",
                          "{ name = 'l', port = 80, protocol = 'TCP', allowedRoutes.kinds = [\n"
                          "{ kind = 'UDPRoute' }, { kind = 'TCPRoute' }] }")),
       {"W0304 5:1"},
       "cannot take routes of kind gateway.networking.k8s.io/UDPRoute",
       {"listener g/l: ResolvedRefs=False/InvalidRouteKinds", "listener g/l: Accepted=True/",
        "route r[0]: Accepted=True/"}},
      {14,
       "two gateways, one port",
       two(kListener),
       {"W0305 4:1", "W0305 10:1"},
       "both want port 80",
       {"listener g/l: Accepted=False/ProtocolConflict",
        "listener g/l: Programmed=False/ProtocolConflict",
        "listener g/l: Conflicted=True/ProtocolConflict",
        "listener h/l: Conflicted=True/ProtocolConflict"}},
      {15,
       "TCP beside HTTPS on one port",
       gateway("", kListener + ", { name = 'm', port = 80, protocol = 'HTTPS' }"),
       {"W0305 4:1", "W0303 4:46", "W0305 4:46"},
       "both want port 80",
       {"listener g/l: Conflicted=True/ProtocolConflict",
        "listener g/m: Conflicted=True/ProtocolConflict",
        "listener g/m: Accepted=False/ProtocolConflict"}},
      {16,
       "port in use",
       with_route(gateway("")),
       {"W0320 4:1"},
       "listener \"l\" of gateway \"g\" is not bound: port 80 of :: is in use by another process",
       {"listener g/l: Accepted=False/PortUnavailable: port 80 of :: is in use by another process",
        "listener g/l: Programmed=False/Invalid", "gateway g: Accepted=False/ListenersNotValid",
        "gateway g: Programmed=False/Invalid"},
       {{{0, 0}, "::", EADDRINUSE}}},
      {16,
       "port not permitted",
       with_route(gateway("")),
       {"W0320 4:1"},
       "ports below 1024 need CAP_NET_BIND_SERVICE",
       {"listener g/l: Accepted=False/PortUnavailable: port 80 of :: is not permitted"},
       {{{0, 0}, "::", EACCES}}},
      {17,
       "one listener of two",
       with_route(gateway("", kListener + ", { name = 'm', port = 81, protocol = 'UDP' }")),
       {"W0303 4:46"},
       "",
       {"gateway g: Accepted=True/ListenersNotValid: 1 of 2 listeners is not valid: \"m\"",
        "gateway g: Programmed=True/Programmed"},
       {{{0, 0}, "::", 0}}},
      {17,
       "all listeners",
       gateway("", "{ name = 'm', port = 81, protocol = 'UDP' }"),
       {"W0303 4:1"},
       "",
       {"gateway g: Accepted=False/ListenersNotValid"}},
  });
}

TEST_CASE("checks 18 and 19: routes that the API would not admit refuse the file") {
  run({
      {18,
       "two rules",
       with_gateway(
           "[[tcpRoutes]]\nname = 'r'\nrules = [{ backendRefs = [{ name = 's', port = 1 }] "
           "}, { backendRefs = [{ name = 's', port = 1 }] }]\n"),
       {"E0114 3:9"},
       "exactly 1 entries, but has 2",
       {}},
      {18,
       "no rule",
       with_gateway("[[tcpRoutes]]\nname = 'r'\nrules = []\n"),
       {"E0114 3:9"},
       "exactly 1 entries, but has 0",
       {}},
      {18,
       "no backendRef",
       with_gateway(route(kParent, "")),
       {"E0114 3:26"},
       "1 to 16 entries, but has 0",
       {}},
      {18,
       "17 backendRefs",
       with_gateway(route(kParent, many(kBackend, 17))),
       {"E0114 3:26"},
       "but has 17",
       {}},
      {18,
       "port of a parentRef",
       with_gateway(route(many("{ name = 'x', port = 0 }", 1), kBackend)),
       {"E0110 2:36"},
       "port must be within 1..65535",
       {}},
      {18,
       "weight",
       with_gateway(route(kParent, "{ name = 's', port = 1, weight = 1000001 }")),
       {"E0110 4:34"},
       "within 0..1000000",
       {}},
      {18,
       "port",
       with_gateway(route(kParent, "{ name = 's', port = 65536 }")),
       {"E0110 4:22"},
       "",
       {}},
      {18,
       "Service without port",
       with_gateway(route(kParent, "{ name = 's' }")),
       {"E0208 4:1"},
       "must have port for Service reference",
       {}},
      {19,
       "one parent twice",
       with_gateway(route("{ name = 'g' }, { name = 'g' }", kBackend)),
       {"E0207 2:31"},
       "sectionName or port must be unique",
       {}},
      {19,
       "one with a port, one without",
       with_gateway(route("{ name = 'g', port = 80 }, { name = 'g' }", kBackend)),
       {"E0207 2:42"},
       "sectionName or port must be specified",
       {}},
  });
  std::string parents;
  for (int i = 0; i < 33; ++i) parents += fmt::format("{{ name = 'g{}' }}, ", i);
  run({{18,
        "33 parentRefs",
        with_gateway(route(parents, kBackend)),
        {"E0114 2:14"},
        "at most 32 entries, but has 33",
        {}}});
}

TEST_CASE("checks 20 to 25: routes that load and say what is wrong") {
  const auto parent = [](std::string_view ref) { return with_gateway(route(ref, kBackend)); };
  const auto backend = [](std::string_view ref) { return with_gateway(route(kParent, ref)); };
  const std::string other = "route r[0]: ResolvedRefs=False/";
  const std::string refused = "; its share of the connections is refused";
  run({
      {20,
       "no such gateway",
       parent("{ name = 'x' }"),
       {"W0306 2:15", "W0317 10:1"},
       "there is no gateway \"x\"",
       {"route r[0]: Accepted=False/NoMatchingParent: there is no gateway \"x\""}},
      {20,
       "no such listener",
       parent("{ name = 'g', sectionName = 'l', port = 81 }"),
       {"W0306 2:15", "W0317 10:1"},
       "has no listener named \"l\" on port 81",
       {"route r[0]: Accepted=False/NoMatchingParent"}},
      {21,
       "protocol of the listener",
       with_route(gateway("", "{ name = 'l', port = 80, protocol = 'HTTP' }")),
       {"W0303 4:1", "W0307 8:15"},
       "takes a TCPRoute",
       {"route r[0]: Accepted=False/NotAllowedByListeners"}},
      {21,
       "namespace of the route",
       with_gateway(route("{ name = 'g', namespace = 'default' }", kBackend) +
                    "namespace = 'n'\n") +
           "namespace = 'n'\n",
       {"W0307 2:15", "W0317 11:1"},
       "from namespace \"n\"",
       {"route n/r[0]: Accepted=False/NotAllowedByListeners"}},
      {22,
       "kind of a parent",
       parent("{ name = 'g', kind = 'Service', group = '' }"),
       {"W0306 2:15", "W0317 10:1"},
       "a parent of kind /Service is not supported",
       {"route r[0]: Accepted=False/NoMatchingParent"}},
      {22,
       "kind of a backend",
       backend("{ name = 's', kind = 'Bucket', group = 'x.y' }"),
       {"W0308 4:1", "W0316 13:1"},
       "a backend of kind x.y/Bucket is not supported",
       {other + "InvalidKind"}},
      {23,
       "another namespace, and no grant",
       backend("{ name = 's', namespace = 'n', port = 1 }"),
       {"W0309 4:1", "W0316 13:1"},
       "no referenceGrant in namespace \"n\" permits",
       {other + "RefNotPermitted", "route r[0]: Accepted=True/Accepted"}},
      {24,
       "no such service",
       backend("{ name = 'x', port = 1 }"),
       {"W0310 4:1", "W0316 13:1"},
       "there is no service \"x\"",
       {other + "BackendNotFound: there is no service \"x\"" + refused}},
      {24,
       "no such port",
       backend("{ name = 's', port = 2 }"),
       {"W0310 4:1"},
       "service \"s\" has no port 2",
       {other + "BackendNotFound"}},
      {25,
       "a UDP port",
       gateway("") + route(kParent, kBackend) +
           "[[services]]\nname = 's'\nports = [{ port = 1, protocol = 'UDP' }]\n",
       {"W0311 10:1"},
       "port 1 of service \"s\" is not a TCP port",
       {other + "UnsupportedProtocol",
        "route r[0]: BackendsAvailable=False/EndpointsNotFound: no "
        "backendRef leads to a service; every connection"}},
  });
}

TEST_CASE("checks 26 to 31: what loads and was hardly meant") {
  const std::string empty = "[[services]]\nname = 's'\nports = [{ port = 1 }]\n";
  run({
      {26,
       "no ready endpoint",
       gateway("") + route(kParent, kBackend) + empty,
       {"W0312 10:1"},
       "service \"s\" has no ready endpoint",
       {"route r[0]: ResolvedRefs=True/ResolvedRefs",
        "route r[0]: BackendsAvailable=False/EndpointsNotFound: service \"s\" has no ready"}},
      {27,
       "all weights 0",
       with_gateway(route(kParent, "{ name = 's', port = 1, weight = 0 }")),
       {"W0313 3:10"},
       "all weights of route \"r\" are 0",
       {"route r[0]: Accepted=True/Accepted", "route r[0]: ResolvedRefs=True/",
        "route r[0]: BackendsAvailable=False/EndpointsNotFound: all weights are 0; every "
        "connection is refused"}},
      {28,
       "two routes on one listener",
       with_gateway(route(kParent, kBackend, "b") + route(kParent, kBackend, "a")),
       {"W0314 2:15"},
       "tcpRoute \"b\" gets no traffic",
       {"route a[0]: Accepted=True/Accepted: attached to listener \"l\"\n",
        "route b[0]: Accepted=True/Accepted: attached to listener \"l\"; it gets no traffic from "
        "listener \"l\": tcpRoute \"a\" is older or comes first by name\n"}},
      {29,
       "policies, of which there are none: they are keys of what they are about",
       with_route(gateway("")) + "[[healthCheckPolicies]]\nname = 'p'\n",
       {"E0105 17:3"},
       "unknown key \"healthCheckPolicies\"",
       {}},
      {30,
       "a route that dials our own listener",
       gateway("") + route(kParent, kBackend) + empty +
           "endpoints = [{ address = '127.0.0.1', port = 80 }]\n",
       {"W0315 16:14"},
       "is our own listener \"l\" of gateway \"g\"",
       {"route r[0]: BackendsAvailable=True/BackendsAvailable"}},
      {31,
       "a service, a grant and a namespace that nobody uses",
       with_route(gateway("")) +
           "[[services]]\nname = 't'\nports = [{ port = 1 }]\n"
           "[[referenceGrants]]\nname = 'x'\nfrom = [{ group = 'gateway.networking.k8s.io', kind = "
           "'TCPRoute', namespace = 'n' }]\nto = [{ group = '', kind = 'Service' }]\n"
           "[[namespaces]]\nname = 'm'\n",
       {"W0316 17:1", "W0316 20:1", "W0316 24:1"},
       "nothing is in namespace \"m\"",
       {"gateway g: Accepted=True/Accepted"}},
  });
}

}  // namespace
}  // namespace lb::config
