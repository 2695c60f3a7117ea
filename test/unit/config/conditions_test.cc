// Conditions beyond the 31 checks: what is well, what is partly so, and when times change.
#include "lb/config/status/conditions.h"

#include <cerrno>

#include "test/support/catch.h"
#include "test/unit/config/config_text.h"

namespace lb::config {
namespace {

bool has_line(const Status& status, const std::string& line) {
  const std::string text = condition_text(status);
  UNSCOPED_INFO(text);
  return ("\n" + text).find("\n" + line) != std::string::npos;
}

const Condition& condition(const std::vector<Condition>& conditions, ConditionType type) {
  for (const Condition& each : conditions) {
    if (each.type == type) return each;
  }
  FAIL("no such condition");
  return conditions.front();
}

TEST_CASE("all is well") {
  const std::vector<BindOutcome> bound = {{{0, 0}, "::", 0}};
  const Status status = outcome_of(kSound, &bound, nullptr, 7).status;
  CHECK(condition_text(status) ==
        "gateway g: Accepted=True/Accepted: all of its listeners are valid\n"
        "gateway g: Programmed=True/Programmed: listens on \"::\"\n"
        "listener g/l: Accepted=True/Accepted: it is valid and has a route\n"
        "listener g/l: Programmed=True/Programmed: listens on \"::\"\n"
        "listener g/l: ResolvedRefs=True/ResolvedRefs: it names nothing that could not be found\n"
        "listener g/l: Conflicted=False/NoConflicts: no other listener wants its port and address\n"
        "route r[0]: Accepted=True/Accepted: attached to listener \"l\"\n"
        "route r[0]: ResolvedRefs=True/ResolvedRefs: every backendRef leads to a service\n"
        "route r[0]: BackendsAvailable=True/BackendsAvailable: every service that was found has a "
        "ready endpoint\n");
  CHECK(status.generation == 7);
  const ListenerStatus& listener = status.gateways[0].listeners[0];
  CHECK(listener.attached_routes == 1);
  REQUIRE(listener.supported_kinds.size() == 1);
  CHECK(listener.supported_kinds[0].is_tcp_route());
  CHECK(status.gateways[0].addresses == std::vector<std::string>{"::"});
  for (const Condition& each : listener.conditions) {
    CHECK(each.observed_generation == 7);
    CHECK(each.is_good());
  }
}

TEST_CASE("before anybody has tried to listen, Programmed is unknown") {
  const Status status = outcome_of(kSound).status;
  CHECK(has_line(status, "gateway g: Programmed=Unknown/Pending: nobody has tried"));
  CHECK(has_line(status, "listener g/l: Programmed=Unknown/Pending: "));
  CHECK(status.gateways[0].addresses.empty());
}

TEST_CASE("a listener that is bound at one address of two says so") {
  const std::string text =
      "[[gateways]]\nname = 'g'\naddresses = [{ value = '127.0.0.1' }, { value = '127.0.0.2' }]\n"
      "listeners = [{ name = 'a', port = 1, protocol = 'TCP' }, { name = 'b', port = 2, protocol = "
      "'TCP' }]\n";
  const std::vector<BindOutcome> bound = {{{0, 0}, "127.0.0.1", 0},
                                          {{0, 0}, "127.0.0.2", EADDRINUSE},
                                          {{0, 1}, "127.0.0.1", 0},
                                          {{0, 1}, "127.0.0.2", 0}};
  const Status status = outcome_of(text, &bound).status;
  CHECK(has_line(status,
                 "listener g/a: Accepted=False/PortUnavailable: port 1 of 127.0.0.2 is in "
                 "use by another process: stop it, or choose another port\n"));
  CHECK(
      has_line(status, "listener g/a: Programmed=False/Invalid: it listens on \"127.0.0.1\" only"));
  CHECK(has_line(status,
                 "listener g/b: Programmed=True/Programmed: listens on \"127.0.0.1\", "
                 "\"127.0.0.2\"\n"));
  CHECK(has_line(status,
                 "gateway g: Accepted=True/ListenersNotValid: 1 of 2 listeners is not valid"));
  CHECK(has_line(status, "gateway g: Programmed=True/Programmed"));
  CHECK(status.gateways[0].addresses == std::vector<std::string>{"127.0.0.1", "127.0.0.2"});
}

TEST_CASE("errors of binding are about the port or about the address") {
  for (const auto& [error, line] : std::vector<std::pair<int, std::string>>{
           {EADDRINUSE, "listener g/l: Accepted=False/PortUnavailable"},
           {EACCES, "listener g/l: Accepted=False/PortUnavailable"},
           {EMFILE,
            "listener g/l: Accepted=False/PortUnavailable: port 80 of :: cannot be listened "
            "on: Too many open files"},
           {EADDRNOTAVAIL,
            "listener g/l: Programmed=False/Pending: this host does not have \"::\""},
           {EAFNOSUPPORT, "gateway g: Programmed=False/AddressNotUsable"}}) {
    const std::vector<BindOutcome> bound = {{{0, 0}, "::", error}};
    CHECK(has_line(outcome_of(kSound, &bound).status, line));
  }
}

TEST_CASE("ResolvedRefs has the reason of the first bad reference, and the text of all") {
  const Status status =
      outcome_of(
          "gateways = [{ name = 'g', listeners = [{ name = 'l', port = 80, protocol = 'TCP' }] }]\n"
          "[[tcpRoutes]]\nname = 'r'\nparentRefs = [{ name = 'g' }, { name = 'x' }]\n"
          "rules = [{ backendRefs = [{ name = 's', port = 1 }, { name = 'a', namespace = 'n', port "
          "= 1 }, { name = 'b', port = 1 }, { name = 'empty', port = 1, weight = 0 }] }]\n"
          "[[services]]\nname = 's'\nports = [{ port = 1 }]\nendpoints = [{ path = '@s' }]\n"
          "[[services]]\nname = 'empty'\nports = [{ port = 1 }]\n")
          .status;
  CHECK(has_line(status,
                 "route r[0]: ResolvedRefs=False/RefNotPermitted: no referenceGrant in "
                 "namespace \"n\" permits service \"n/a\" to TCPRoutes of namespace "
                 "\"default\"; there is no service \"b\"; their share of the connections is "
                 "refused\n"));
  CHECK(has_line(status, "route r[1]: Accepted=False/NoMatchingParent"));
  CHECK(has_line(status, "route r[1]: ResolvedRefs=False/RefNotPermitted"));
  // Nobody misses the endpoints of a service that gets nothing.
  CHECK(has_line(status, "route r[0]: BackendsAvailable=True"));
}

TEST_CASE("kinds that are not taken are all named, and those that are stay supported") {
  const Status status =
      outcome_of(gateway_with("{ name = 'l', port = 1, protocol = 'TCP', allowedRoutes.kinds = "
                              "[{ kind = 'A' }, { kind = 'B', group = 'x' }] }"))
          .status;
  CHECK(has_line(status,
                 "listener g/l: ResolvedRefs=False/InvalidRouteKinds: listener \"l\" cannot "
                 "take routes of kind gateway.networking.k8s.io/A; listener \"l\" cannot "
                 "take routes of kind x/B; TCPRoute is the only kind"));
  CHECK(status.gateways[0].listeners[0].supported_kinds.empty());
}

TEST_CASE("TLS listeners and routes load and are not accepted") {
  const std::string text =
      "[[gateways]]\nname = 'g'\nlisteners = [{ name = 't', port = 1, protocol = 'TLS', hostname = "
      "'*.a.b', tls = { mode = 'Passthrough' } },\n{ name = 'u', port = 1, protocol = 'TLS', "
      "hostname = 'c.d', tls = { certificateRefs = [{ name = 'x' }], options = { k = 'v' } } },\n"
      "{ name = 'h', port = 1, protocol = 'HTTPS', tls.mode = 'Terminate' }]\n"
      "[[tlsRoutes]]\nname = 'r'\nhostnames = ['x.a.b']\nparentRefs = [{ name = 'g', sectionName = "
      "'t' }, { name = 'g', sectionName = 'none' }]\nrules = [{ backendRefs = [{ name = 's', port "
      "= "
      "1 }] }]\n"
      "[[services]]\nname = 's'\nports = [{ port = 1 }]\nendpoints = [{ path = '@s' }]\n";
  const Outcome outcome = outcome_of(text);
  INFO(printed(outcome.faults));
  REQUIRE(outcome.is_valid);
  CHECK(places(outcome.faults) == std::vector<std::string>{"W0303 3:14", "W0303 4:1", "W0303 5:1",
                                                           "W0307 9:15", "W0306 9:50"});
  CHECK(has_line(outcome.status, "listener g/t: Accepted=False/UnsupportedProtocol"));
  CHECK(outcome.status.gateways[0].listeners[0].supported_kinds.empty());
  CHECK(outcome.status.gateways[0].listeners[0].attached_routes == 0);
  CHECK(has_line(outcome.status,
                 "route r[0]: Accepted=False/NotAllowedByListeners: no listener named \"t\" of "
                 "gateway \"g\" takes a TLSRoute: this version serves protocol TCP and TCPRoutes "
                 "only\n"));
  CHECK(has_line(outcome.status, "route r[1]: Accepted=False/NoMatchingParent"));
  CHECK(has_line(outcome.status, "route r[0]: ResolvedRefs=True"));
  const LoadResult loaded = load_text(text, "f");
  const Listener& listener = loaded.config->gateways[0].listeners[1];
  CHECK(listener.hostname == "c.d");
  REQUIRE(listener.tls);
  CHECK(listener.tls->mode == TLSMode::kTerminate);
  CHECK(listener.tls->certificate_refs.at(0).name == ObjectName{"default", "x"});
  CHECK(loaded.config->tls_routes[0].hostnames == std::vector<std::string>{"x.a.b"});
}

TEST_CASE("a TCP listener takes no TLSRoute") {
  const Status status =
      outcome_of(kSound +
                 "[[tlsRoutes]]\nname = 't'\nhostnames = ['a.b']\nparentRefs = [{ name = 'g' }]\n"
                 "rules = [{ backendRefs = [{ name = 's', port = 1 }] }]\n")
          .status;
  CHECK(has_line(status, "route t[0]: Accepted=False/NotAllowedByListeners"));
  CHECK(status.gateways[0].listeners[0].attached_routes == 1);
}

TEST_CASE("what the API would not admit of TLS listeners and routes") {
  const auto listener = [](std::string_view more) {
    return gateway_with(fmt::format("{{ name = 'l', port = 1, {} }}", more));
  };
  const auto tls_route = [](std::string_view hostnames) {
    return fmt::format(
        "{}[[tlsRoutes]]\nname = 'r'\n{}\nrules = [{{ backendRefs = [{{ name = 's', port = 1 }}] "
        "}}]\n",
        kSound, hostnames);
  };
  for (const FaultCase& each : std::vector<FaultCase>{
           {"TLS without tls",
            listener("protocol = 'TLS'"),
            {"E0107 2:1"},
            "tls mode must be set for protocol TLS"},
           {"HTTPS passed through",
            listener("protocol = 'HTTPS', tls.mode = 'Passthrough'"),
            {"E0109 2:45"},
            "tls mode must be Terminate for protocol HTTPS"},
           {"HTTP with tls", listener("protocol = 'HTTP', tls = {}"), {"E0205 2:50"}, ""},
           {"mode",
            listener("protocol = 'TLS', tls.mode = 'passthrough'"),
            {"E0109 2:54"},
            "did you mean \"Passthrough\"?"},
           {"hostname",
            listener("protocol = 'HTTP', hostname = 'A.b'"),
            {"E0113 2:55"},
            "must be a DNS name"},
           {"an IP",
            listener("protocol = 'HTTP', hostname = '1.2.3.4'"),
            {"E0113 2:55"},
            "not an IP"},
           {"a wildcard inside",
            listener("protocol = 'HTTP', hostname = 'a.*.b'"),
            {"E0113 2:55"},
            ""},
           {"one hostname twice",
            listener("protocol = 'HTTP', hostname = 'a.b' }, { name = 'm', port = 1, protocol = "
                     "'HTTP', hostname = 'a.b'"),
            {"E0204 2:64"},
            "port, protocol and hostname"},
           {"two hostnames",
            listener("protocol = 'HTTP', hostname = 'a.b' }, { name = 'm', port = 1, protocol = "
                     "'HTTP', hostname = 'a.c'"),
            {},
            ""},
           {"no hostnames", tls_route("hostnames = []"), {"E0114 6:13"}, "1 to 1024 entries"},
           {"hostnames missing", tls_route(""), {"E0107 4:1"}, "hostnames is missing"},
           {"a bad hostname",
            tls_route("hostnames = ['*.a', '*a']"),
            {"E0113 6:21"},
            "every entry of hostnames must be a DNS name"},
       }) {
    INFO(each.text);
    const LoadResult result = load_text(each.text, "f");
    const std::string shown = printed(result.faults);
    INFO(shown);
    CHECK(places(result.faults) == each.expected);
    CHECK(shown.find(each.says) != std::string::npos);
  }
}

TEST_CASE("grants of TLSRoutes are their own") {
  const auto reason = [](std::string_view kind) {
    return condition(
               outcome_of(
                   fmt::format("{}[[tlsRoutes]]\nname = 'r'\nhostnames = ['a.b']\nparentRefs = "
                               "[{{ name = 'g' }}]\nrules = [{{ backendRefs = [{{ name = 't', "
                               "namespace = 'n', port = 1 }}] }}]\n[[referenceGrants]]\nname = "
                               "'x'\nnamespace = 'n'\nfrom = [{{ group = "
                               "'gateway.networking.k8s.io', kind = '{}', namespace = "
                               "'default' }}]\nto = [{{ group = '', kind = 'Service' }}]\n",
                               kSound, kind))
                   .status.tls_routes[0]
                   .parents[0]
                   .conditions,
               ConditionType::kResolvedRefs)
        .reason;
  };
  CHECK(reason("TCPRoute") == Reason::kRefNotPermitted);
  CHECK(reason("TLSRoute") == Reason::kBackendNotFound);
}

TEST_CASE("times change with the status and with nothing else") {
  const std::vector<BindOutcome> good = {{{0, 0}, "::", 0}};
  const std::vector<BindOutcome> bad = {{{0, 0}, "::", EADDRINUSE}};
  const Status first = outcome_of(kSound, &good, nullptr, 1, 1000).status;
  const Status second = outcome_of(kSound, &bad, &first, 2, 2000).status;
  const Status third = outcome_of(kSound, &bad, &second, 3, 3000).status;
  const auto& listener = third.gateways[0].listeners[0].conditions;
  CHECK(condition(listener, ConditionType::kAccepted).last_transition_ms == 2000);
  CHECK(condition(listener, ConditionType::kAccepted).observed_generation == 3);
  CHECK(condition(listener, ConditionType::kConflicted).last_transition_ms == 1000);
  CHECK(condition(third.gateways[0].conditions, ConditionType::kAccepted).last_transition_ms ==
        2000);
  const auto& route = third.tcp_routes[0].parents[0].conditions;
  CHECK(condition(route, ConditionType::kAccepted).last_transition_ms == 1000);
  // A reason that changes is no transition.
  const std::vector<BindOutcome> other = {{{0, 0}, "::", EADDRNOTAVAIL}};
  const Status fourth = outcome_of(kSound, &other, &third, 4, 4000).status;
  const auto& now = fourth.gateways[0].listeners[0].conditions;
  CHECK(condition(listener, ConditionType::kProgrammed).reason == Reason::kInvalid);
  CHECK(condition(now, ConditionType::kProgrammed).reason == Reason::kPending);
  CHECK(condition(now, ConditionType::kProgrammed).last_transition_ms == 2000);
  CHECK(condition(now, ConditionType::kAccepted).last_transition_ms == 4000);
  // Another object's times are not its own.
  std::string renamed = kSound;
  renamed.replace(renamed.find("name = 'l'"), 10, "name = 'k'");
  const Status fifth = outcome_of(renamed, &good, &fourth, 5, 5000).status;
  CHECK(condition(fifth.gateways[0].listeners[0].conditions, ConditionType::kConflicted)
            .last_transition_ms == 5000);
}

TEST_CASE("a parentRef keeps its times when another is put before it") {
  const std::string gateway =
      "gateways = [{ name = 'g', listeners = [{ name = 'l', port = 80, protocol = 'TCP' }] }]\n";
  const auto with = [&](std::string_view parents) {
    return fmt::format(
        "{}[[tcpRoutes]]\nname = 'r'\nparentRefs = [{}]\nrules = [{{ backendRefs = [{{ name = 's', "
        "port = 1 }}] }}]\n",
        gateway, parents);
  };
  const Status first =
      outcome_of(with("{ name = 'g', port = 80 }"), nullptr, nullptr, 1, 1000).status;
  const Status second = outcome_of(with("{ name = 'g', port = 81 }, { name = 'g', port = 80 }"),
                                   nullptr, &first, 2, 2000)
                            .status;
  CHECK(second.tcp_routes[0].parents[0].conditions[1].last_transition_ms == 2000);
  CHECK(second.tcp_routes[0].parents[1].conditions[1].last_transition_ms == 1000);
}

TEST_CASE("long lists of names stay short") {
  std::string listeners;
  for (int i = 1; i <= 64; ++i) {
    listeners += fmt::format("{{ name = 'l{0}', port = {0}, protocol = 'UDP' }}, ", i);
  }
  CHECK(has_line(outcome_of(gateway_with(listeners)).status,
                 "gateway g: Accepted=False/ListenersNotValid: 64 of 64 listeners are not valid: "
                 "\"l1\", \"l2\", \"l3\", \"l4\", \"l5\" and 59 more; see their conditions\n"));
}

}  // namespace
}  // namespace lb::config
