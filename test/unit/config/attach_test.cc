// Attachment and resolution against the API's rules and its conformance scenarios for TCPRoute.
#include "lb/config/attach/attach.h"

#include <chrono>

#include "test/support/catch.h"
#include "test/unit/config/config_text.h"

namespace lb::config {
namespace {

struct Attached {
  Config config;
  Attachment result;
};

Attached attach_text(const std::string& text) {
  LoadResult loaded = load_text(text, "f");
  INFO(printed(loaded.faults));
  REQUIRE(loaded.config);
  Attached out{std::move(*loaded.config), {}};
  out.result = attach(out.config);
  locate(out.result.findings, loaded.sources);
  return out;
}

bool says(const Attached& attached, std::string_view part) {
  return printed(attached.result.findings).find(part) != std::string::npos;
}

constexpr std::string_view kService =
    "[[services]]\nname = 's'\nports = [{ port = 1 }]\nendpoints = [{ address = '10.0.0.1' }]\n";

std::string route(std::string_view name, std::string_view parent_refs, std::string_view more = "") {
  return fmt::format(
      "[[tcpRoutes]]\nname = '{}'\nparentRefs = [{}]\nrules = [{{ backendRefs = [{{ "
      "name = 's', port = 1 }}] }}]\n{}\n",
      name, parent_refs, more);
}

// Listeners one, two, three on 9301..9303.
const std::string kThree =
    "[[gateways]]\nname = 'g'\nlisteners = [{ name = 'one', port = 9301, protocol = 'TCP' },\n"
    "{ name = 'two', port = 9302, protocol = 'TCP' },\n"
    "{ name = 'three', port = 9303, protocol = 'TCP' }]\n";

TEST_CASE("a sound configuration has no findings") {
  const Attached attached = attach_text(kSound);
  CHECK(printed(attached.result.findings).empty());
  CHECK(attached.result.gateways[0].serves(0));
  CHECK(attached.result.gateways[0].addresses == std::vector<std::string>{"::"});
  CHECK(attached.result.gateways[0].listeners[0].active_route == 0U);
  CHECK(attached.result.tcp_routes[0].backends[0].usable());
}

TEST_CASE("parentRefs select by name, by port, by both, or all") {
  const Attached attached =
      attach_text(kThree + route("by-port", "{ name = 'g', port = 9301 }") +
                  route("by-section", "{ name = 'g', sectionName = 'two' }") +
                  route("by-both", "{ name = 'g', sectionName = 'three', port = 9303 }") +
                  std::string(kService));
  CHECK(attached.result.findings.empty());
  for (size_t i = 0; i < 3; ++i) {
    CHECK(attached.result.gateways[0].listeners[i].active_route == i);
    CHECK(attached.result.gateways[0].listeners[i].attached_routes == 1);
    CHECK(attached.result.tcp_routes[i].parents[0].listeners == std::vector<ListenerIndex>{{0, i}});
  }
  const Attached all = attach_text(kThree + route("all", "{ name = 'g' }") + std::string(kService));
  CHECK(all.result.tcp_routes[0].parents[0].listeners.size() == 3);
  CHECK(all.result.findings.empty());
}

TEST_CASE("a parentRef that matches nothing is NoMatchingParent") {
  for (const auto& [ref, message] : std::vector<std::pair<std::string, std::string>>{
           {"{ name = 'gg' }", "there is no gateway \"gg\""},
           {"{ name = 'g', namespace = 'n' }", "there is no gateway \"n/g\""},
           {"{ name = 'g', kind = 'Service', group = '' }", "a parent of kind /Service is not"},
           {"{ name = 'g', port = 1 }", "gateway \"g\" has no listener on port 1"},
           {"{ name = 'g', sectionName = 'tow' }", "has no listener named \"tow\""},
           {"{ name = 'g', sectionName = 'one', port = 9302 }",
            "has no listener named \"one\" on port 9302"}}) {
    INFO(ref);
    const Attached attached = attach_text(kThree + route("r", ref) + std::string(kService));
    const AttachedParent& parent = attached.result.tcp_routes[0].parents[0];
    CHECK(parent.accepted == Reason::kNoMatchingParent);
    CHECK(parent.listeners.empty());
    CHECK(says(attached, "f:8:15: warning[W0306]: "));
    CHECK(says(attached, message));
    CHECK_FALSE(attached.result.gateways[0].listeners[0].active_route);
    CHECK(says(attached, "W0317"));  // and its listeners refuse
  }
  CHECK(says(attach_text(kThree + route("r", "{ name = 'g', sectionName = 'tow' }")),
             "did you mean \"two\"?"));
}

TEST_CASE("protocol, kinds and namespaces are NotAllowedByListeners") {
  const auto listener = [](std::string_view more) {
    return fmt::format("[[gateways]]\nname = 'g'\nlisteners = [{{ name = 'l', port = 1, {} }}]\n",
                       more);
  };
  for (const std::string& gateway :
       {listener("protocol = 'HTTP'"),
        listener("protocol = 'TCP', allowedRoutes.kinds = [{ kind = 'HTTPRoute' }]"),
        listener(
            "protocol = 'TCP', allowedRoutes.kinds = [{ group = 'x.y', kind = 'TCPRoute' }]")}) {
    INFO(gateway);
    const Attached attached =
        attach_text(gateway + route("r", "{ name = 'g' }") + std::string(kService));
    CHECK(attached.result.tcp_routes[0].parents[0].accepted == Reason::kNotAllowedByListeners);
    CHECK(attached.result.gateways[0].listeners[0].attached_routes == 0);
    CHECK(says(attached, "warning[W0307]"));
  }
  const std::string far = route("r", "{ name = 'g', namespace = 'default' }", "namespace = 'n'");
  const Attached same = attach_text(listener("protocol = 'TCP'") + far);
  CHECK(same.result.tcp_routes[0].parents[0].accepted == Reason::kNotAllowedByListeners);
  CHECK(says(same, "takes a TCPRoute from namespace \"n\""));
  const Attached all =
      attach_text(listener("protocol = 'TCP', allowedRoutes.namespaces.from = 'All'") + far);
  CHECK(all.result.tcp_routes[0].parents[0].accepted == Reason::kAccepted);
}

TEST_CASE("listeners that are not TCP are not accepted, the others are served") {
  const Attached mixed = attach_text(
      "[[gateways]]\nname = 'g'\nlisteners = [{ name = 'a', port = 1, protocol = 'TCP' },\n"
      "{ name = 'b', port = 2, protocol = 'tcp' }]\n" +
      route("r", "{ name = 'g' }") + std::string(kService));
  const AttachedGateway& gateway = mixed.result.gateways[0];
  CHECK(gateway.accepted);
  CHECK(gateway.accepted_reason == Reason::kListenersNotValid);
  CHECK(gateway.serves(0));
  CHECK_FALSE(gateway.serves(1));
  CHECK(gateway.listeners[1].accepted == Reason::kUnsupportedProtocol);
  CHECK_FALSE(gateway.listeners[1].takes_tcp_routes);
  CHECK(says(mixed, "f:4:1: warning[W0303]: protocol \"tcp\" is not supported"));
  CHECK(says(mixed, "did you mean \"TCP\"?"));
  const Attached none = attach_text(gateway_with("{ name = 'a', port = 1, protocol = 'UDP' }"));
  CHECK_FALSE(none.result.gateways[0].accepted);
  CHECK(none.result.gateways[0].accepted_reason == Reason::kListenersNotValid);
}

TEST_CASE("invalid kinds are reported, valid ones beside them are kept") {
  const Attached attached = attach_text(
      gateway_with("{ name = 'a', port = 1, protocol = 'TCP', allowedRoutes.kinds = [\n{ kind = "
                   "'InvalidRoute' },\n{ kind = 'TCPRoute' }] }"));
  const AttachedListener& listener = attached.result.gateways[0].listeners[0];
  CHECK(listener.resolved_refs == Reason::kInvalidRouteKinds);
  CHECK(listener.takes_tcp_routes);
  CHECK(listener.accepted == Reason::kAccepted);
  CHECK(says(attached, "f:3:1: warning[W0304]"));
}

TEST_CASE("of two routes on one listener the older carries the traffic, both are counted") {
  const std::string older = "creationTimestamp = 2024-01-01T00:00:00Z";
  const std::string newer = "creationTimestamp = '2024-01-01T00:00:01Z'";
  const auto active = [](const std::string& routes) {
    const Attached attached =
        attach_text(gateway_with("{ name = 'l', port = 1, protocol = 'TCP' }") + routes +
                    std::string(kService));
    const AttachedListener& listener = attached.result.gateways[0].listeners[0];
    CHECK(listener.attached_routes == 2);
    for (const AttachedRoute& each : attached.result.tcp_routes) {
      CHECK(each.parents[0].accepted == Reason::kAccepted);
    }
    CHECK(says(attached, "warning[W0314]"));
    return attached.config.tcp_routes[*listener.active_route].name.name;
  };
  const std::string ref = "{ name = 'g' }";
  CHECK(active(route("a", ref, newer) + route("b", ref, older)) == "b");
  CHECK(active(route("b", ref, older) + route("a", ref, newer)) == "b");
  CHECK(active(route("b", ref, older) + route("a", ref, older)) == "a");
  CHECK(active(route("b", ref) + route("a", ref)) == "a");
  CHECK(active(route("b", ref) + route("a", ref, older)) == "b");  // no time is the oldest
}

TEST_CASE("the tie between names goes by namespace first") {
  const Attached attached = attach_text(
      gateway_with(
          "{ name = 'l', port = 1, protocol = 'TCP', allowedRoutes.namespaces.from = 'All' }") +
      route("a", "{ name = 'g', namespace = 'default' }", "namespace = 'n'") +
      route("z", "{ name = 'g' }"));
  CHECK(attached.result.gateways[0].listeners[0].active_route == 1U);
  CHECK(says(attached,
             "tcpRoute \"n/a\" gets no traffic from listener \"l\" of gateway \"g\": "
             "tcpRoute \"z\" is older or comes first by name"));
}

TEST_CASE("gateways that want the same address and port lose it both") {
  const auto two = [](std::string_view first, std::string_view second,
                      std::string_view protocol = "TCP") {
    const auto gateway = [&](std::string_view name, std::string_view address, std::string_view of) {
      return fmt::format(
          "[[gateways]]\nname = '{}'\n{}\nlisteners = [{{ name = 'l', port = 1, "
          "protocol = '{}' }}]\n",
          name, address.empty() ? "" : fmt::format("addresses = [{{ value = '{}' }}]", address),
          of);
    };
    return attach_text(gateway("g", first, "TCP") + gateway("h", second, protocol));
  };
  for (const auto& [first, second] :
       std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                        {"127.0.0.1", "127.0.0.1"},
                                                        {"::1", "0::1"},
                                                        {"", "0.0.0.0"},
                                                        {"::", "0.0.0.0"},
                                                        {"", "::"}}) {
    INFO(first << " " << second);
    const Attached attached = two(first, second);
    for (const AttachedGateway& gateway : attached.result.gateways) {
      CHECK(gateway.listeners[0].conflicted());
      CHECK_FALSE(gateway.serves(0));
      CHECK_FALSE(gateway.accepted);
    }
    CHECK(attached.result.findings.size() == 2);
    CHECK(says(attached,
               "warning[W0305]: listener \"l\" of gateway \"h\" and listener \"l\" of "
               "gateway \"g\" both want port 1"));
  }
  for (const auto& [first, second] : std::vector<std::pair<std::string, std::string>>{
           {"127.0.0.1", "127.0.0.2"}, {"", "127.0.0.1"}, {"0.0.0.0", "127.0.0.1"}}) {
    CHECK(two(first, second).result.gateways[1].serves(0));
  }
  CHECK(two("", "", "HTTPS").result.gateways[0].listeners[0].conflicted());
  CHECK(two("", "", "UDP").result.gateways[0].serves(0));
}

TEST_CASE("TCP shares a port of one gateway with nothing but UDP") {
  const Attached attached = attach_text(gateway_with(
      "{ name = 'a', port = 1, protocol = 'TCP' },\n{ name = 'b', port = 1, protocol = "
      "'TLS', tls.mode = 'Passthrough' },\n{ name = 'c', port = 1, protocol = 'UDP' },\n{ name = "
      "'d', port = 2, "
      "protocol = 'TCP' }"));
  const AttachedGateway& gateway = attached.result.gateways[0];
  CHECK(gateway.listeners[0].conflicted());
  CHECK(gateway.listeners[1].conflicted());
  CHECK(gateway.listeners[2].accepted == Reason::kUnsupportedProtocol);
  CHECK(gateway.serves(3));
}

TEST_CASE("listeners without TCP on one port are only unsupported") {
  const Attached attached = attach_text(gateway_with(
      "{ name = 'a', port = 1, protocol = 'HTTP' },\n{ name = 'b', port = 1, protocol = "
      "'HTTPS' }"));
  for (const AttachedListener& listener : attached.result.gateways[0].listeners) {
    CHECK(listener.accepted == Reason::kUnsupportedProtocol);
  }
}

TEST_CASE("a gateway that is not accepted takes nobody's address") {
  const Attached attached = attach_text(
      "[[gateways]]\nname = 'g'\naddresses = [{ type = 'Hostname', value = 'a' }, { value = "
      "'10.0.0.1' }]\nlisteners = [{ name = 'l', port = 1, protocol = 'TCP' }]\n"
      "[[gateways]]\nname = 'h'\naddresses = [{ value = '10.0.0.1' }]\n"
      "listeners = [{ name = 'l', port = 1, protocol = 'TCP' }]\n");
  CHECK_FALSE(attached.result.gateways[0].serves(0));
  CHECK(attached.result.gateways[1].serves(0));
}

TEST_CASE("addresses that cannot be had") {
  const auto with = [](std::string_view addresses) {
    return attach_text(
        fmt::format("[[gateways]]\nname = 'g'\nlisteners = [{{ name = 'l', port = 1, "
                    "protocol = 'TCP' }}]\naddresses = [{}]\n",
                    addresses));
  };
  const Attached type = with("{ type = 'Hostname', value = 'a' }, { value = '10.0.0.1' }");
  CHECK_FALSE(type.result.gateways[0].serves(0));
  CHECK(type.result.gateways[0].accepted_reason == Reason::kUnsupportedAddress);
  CHECK(says(type, "f:4:14: warning[W0301]"));
  const Attached empty = with("{ value = '' }");
  CHECK_FALSE(empty.result.gateways[0].serves(0));
  CHECK(empty.result.gateways[0].address_not_assigned);
  CHECK(empty.result.gateways[0].accepted);
  const Attached half = with("{}, { value = '10.0.0.1' }");
  CHECK(half.result.gateways[0].serves(0));
  CHECK(half.result.gateways[0].addresses == std::vector<std::string>{"10.0.0.1"});
  CHECK(with("{ value = '0.0.0.0' }, { value = '::' }").result.gateways[0].addresses ==
        std::vector<std::string>{"::"});
}

// One route with one backendRef of weight 3 beside a sound one of weight 1; lines are the route's.
Attached with_backend(std::string_view ref, std::string_view more = "") {
  return attach_text(fmt::format(
      "gateways = [{{ name = 'g', listeners = [{{ name = 'l', port = 80, protocol = 'TCP' }}] }}]\n"
      "tcpRoutes = [{{ name = 'r', parentRefs = [{{ name = 'g' }}], rules = [{{ backendRefs = [\n"
      "{{ {}, weight = 3 }},\n{{ name = 's', port = 1 }}] }}] }}]\n{}\n{}",
      ref, kService, more));
}

TEST_CASE("a backendRef that leads nowhere keeps its place and says which share it refuses") {
  struct Case {
    std::string ref;
    std::string more;
    Reason reason;
    std::string says;
  };
  const std::string other =
      "[[services]]\nname = 'o'\nports = [{ port = 5, targetPort = 6 }, { port = "
      "7, protocol = 'UDP' }]\n";
  for (const Case& each : std::vector<Case>{
           {"kind = 'Bucket', group = 'x.y', name = 'b'", "", Reason::kInvalidKind,
            "W0308]: a backend of kind x.y/Bucket is not supported"},
           {"namespace = 'n', name = 's', port = 1", "", Reason::kRefNotPermitted,
            "W0309]: no referenceGrant in namespace \"n\" permits service \"n/s\""},
           {"name = 'ss', port = 1", "", Reason::kBackendNotFound,
            "W0310]: there is no service \"ss\""},
           {"name = 'o', port = 6", other, Reason::kBackendNotFound,
            "W0310]: service \"o\" has no port 6; its share of the connections, 75%, is refused\n{ "
            "name "
            "= 'o', port = 6, weight = 3 },\n^\n  did you mean \"5\"?"},
           {"name = 'o', port = 7", other, Reason::kUnsupportedProtocol,
            "W0311]: port 7 of service \"o\" is not a TCP port"},
           {"name = 'o', port = 5", other, Reason::kEndpointsNotFound,
            "W0312]: service \"o\" has no ready endpoint"},
       }) {
    INFO(each.ref);
    const Attached attached = with_backend(each.ref, each.more);
    REQUIRE(attached.result.tcp_routes[0].backends.size() == 2);
    CHECK(attached.result.tcp_routes[0].backends[0].reason == each.reason);
    CHECK_FALSE(attached.result.tcp_routes[0].backends[0].usable());
    CHECK(attached.result.tcp_routes[0].backends[1].usable());
    CHECK(attached.result.tcp_routes[0].parents[0].accepted == Reason::kAccepted);
    INFO(printed(attached.result.findings));
    CHECK(says(attached, "f:3:1: warning[" + each.says));
    CHECK(says(attached, "; its share of the connections, 75%, is refused"));
    CHECK(attached.result.findings[0].reason == each.reason);
  }
}

TEST_CASE("endpoints that are not ready, or weigh nothing, do not count") {
  const Attached attached =
      with_backend("name = 'o', port = 5",
                   "[[services]]\nname = 'o'\nports = [{ port = 5 }]\nendpoints = "
                   "[{ address = '10.0.0.1', ready = false }, { address = "
                   "'10.0.0.2', weight = 0 }]\n");
  CHECK(attached.result.tcp_routes[0].backends[0].reason == Reason::kEndpointsNotFound);
  CHECK(attached.result.tcp_routes[0].backends[0].resolved());
  CHECK(attached.result.tcp_routes[0].backends[0].service == 1);
}

TEST_CASE("a TCP port is found behind a UDP port of the same number") {
  const Attached attached =
      with_backend("name = 'o', port = 5",
                   "[[services]]\nname = 'o'\nports = [{ port = 5, protocol = 'UDP' "
                   "}, { port = 5 }]\nendpoints = [{ address = '10.0.0.1' }]\n");
  CHECK(attached.result.tcp_routes[0].backends[0].usable());
  CHECK(attached.result.tcp_routes[0].backends[0].port == 1);
}

TEST_CASE("a reference grant permits what it names, and nothing else") {
  const std::string service =
      "[[services]]\nname = 's'\nnamespace = 'n'\nports = [{ port = 1 "
      "}]\nendpoints = [{ address = '10.0.0.1' }]\n";
  const auto reason = [&](std::string_view grant_ns, std::string_view from, std::string_view to,
                          bool exists = true) {
    const Attached attached = with_backend(
        "namespace = 'n', name = 's', port = 1",
        fmt::format(
            "{}[[referenceGrants]]\nname = 'x'\nnamespace = '{}'\nfrom = [{{ {} }}]\nto = [{{ "
            "{} }}]\n",
            exists ? service : "", grant_ns, from, to));
    return attached.result.tcp_routes[0].backends[0].reason;
  };
  const std::string from =
      "group = 'gateway.networking.k8s.io', kind = 'TCPRoute', namespace = 'default'";
  const std::string to = "group = '', kind = 'Service'";
  CHECK(reason("n", from, to) == Reason::kResolvedRefs);
  CHECK(reason("n", from, to + ", name = 's'") == Reason::kResolvedRefs);
  CHECK(reason("n", from, to + ", name = 't'") == Reason::kRefNotPermitted);
  CHECK(reason("m", from, to) == Reason::kRefNotPermitted);
  CHECK(reason("n", from, "group = 'x.y', kind = 'Service'") == Reason::kRefNotPermitted);
  CHECK(reason("n", from, "group = '', kind = 'Secret'") == Reason::kRefNotPermitted);
  CHECK(reason("n",
               "group = 'gateway.networking.k8s.io', kind = 'HTTPRoute', namespace = 'default'",
               to) == Reason::kRefNotPermitted);
  CHECK(reason("n", "group = 'gateway.networking.k8s.io', kind = 'TCPRoute', namespace = 'm'",
               to) == Reason::kRefNotPermitted);
  // Whether a forbidden service exists must not show; that of a permitted one may.
  CHECK(reason("m", from, to, false) == Reason::kRefNotPermitted);
  CHECK(reason("n", from, to, false) == Reason::kBackendNotFound);
}

TEST_CASE("advice: weights of zero, loops, what is not used") {
  const Attached zero = attach_text(gateway_with("{ name = 'l', port = 1, protocol = 'TCP' }") +
                                    "[[tcpRoutes]]\nname = 'r'\nparentRefs = [{ name = 'g' "
                                    "}]\nrules = [\n{ backendRefs = [{ name = "
                                    "'s', port = 1, weight = 0 }] }]\n" +
                                    std::string(kService));
  CHECK(places(zero.result.findings) == std::vector<std::string>{"W0313 8:1"});
  const auto loop = [](std::string_view endpoint, std::string_view addresses) {
    return places(
        attach_text(
            fmt::format("[[gateways]]\nname = 'g'\nlisteners = [{{ name = 'l', port = "
                        "80, protocol = 'TCP' }}]\naddresses = [{}]\n{}[[services]]\nname "
                        "= 's'\nports = [{{ port = 1, targetPort = 80 }}]\nendpoints = [\n{{ "
                        "{} }}]\n",
                        addresses, route("r", "{ name = 'g' }"), endpoint))
            .result.findings);
  };
  CHECK(loop("address = '127.0.0.1'", "") == std::vector<std::string>{"W0315 14:1"});
  CHECK(loop("address = '::1'", "") == std::vector<std::string>{"W0315 14:1"});
  CHECK(loop("address = '127.0.0.1', port = 81", "").empty());
  CHECK(loop("address = '10.0.0.1'", "{ value = '10.0.0.1' }") ==
        std::vector<std::string>{"W0315 14:1"});
  CHECK(loop("address = '10.0.0.2'", "{ value = '10.0.0.1' }").empty());
  CHECK(loop("address = '127.0.0.1'", "{ value = '10.0.0.1' }").empty());
  const Attached unused = attach_text(kSound +
                                      "[[referenceGrants]]\nname = 'x'\nnamespace = 'n'\nfrom = [{ "
                                      "group = '', kind = 'K', namespace "
                                      "= 'a' }]\nto = [{ group = '', kind = 'Service' }]\n");
  CHECK(places(unused.result.findings) == std::vector<std::string>{"W0316 4:1"});
  const Attached idle = attach_text(gateway_with("{ name = 'l', port = 1, protocol = 'TCP' }") +
                                    route("r", "") + std::string(kService));
  CHECK(places(idle.result.findings) == std::vector<std::string>{"W0317 2:1", "W0316 4:1"});
}

TEST_CASE("a thousand services with a hundred endpoints each load quickly") {
  std::string text = gateway_with("{ name = 'l', port = 1, protocol = 'TCP' }");
  for (int s = 0; s < 1000; ++s) {
    text += fmt::format("[[services]]\nname = 's{}'\nports = [{{ port = 1 }}]\nendpoints = [\n", s);
    for (int e = 0; e < 100; ++e) {
      text += fmt::format("{{ address = '10.{}.{}.{}' }},\n", s / 250, s % 250, e);
    }
    text += "]\n";
  }
  const auto begin = std::chrono::steady_clock::now();
  const Attached attached = attach_text(text);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  CHECK(attached.config.services.size() == 1000);
  CHECK(taken.count() <
        10.0);  // 0.2 s in a release build; sanitizers on a busy machine are allowed for
}

}  // namespace
}  // namespace lb::config
