// What the Gateway API's conformance tests ask of other routes, put to TCP, and what they leave
// out: who is refused, in what proportion, and what a change does to those who are connected.
#include <cerrno>
#include <cmath>
#include <span>

#include "test/conformance/echo_backend.h"
#include "test/conformance/manifests.h"
#include "test/conformance/world.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/engines.h"
#include "test/support/failure.h"

namespace lb::test {
namespace {

constexpr int kConnections = 500;

const std::string kGateway = gateway("name: gw", "{ name: tcp, port: 9000, protocol: TCP }");
const std::string kWeb = "{ name: web, port: 3000 }";

// A listener that takes routes as this says.
std::string gateway_allowing(const std::string& allowed_routes) {
  return gateway("name: gw", "{ name: tcp, port: 9000, protocol: TCP, allowedRoutes: { " +
                                 allowed_routes + " } }");
}

std::string ref(const std::string& service, int weight) {
  return fmt::format("{{ name: {}, port: 3000, weight: {} }}", service, weight);
}

// Whether a new connection gets a RST instead of the banner; throws when it gets neither.
bool is_refused(const net::Address& address) {
  int error = 0;
  Socket socket = Socket::try_connect(address, {}, error);
  if (error == ECONNREFUSED || error == ECONNRESET) return true;
  if (error != 0) throw Failure(errno_text("connect", error));
  bool has_banner = false;
  const Socket::End end = socket.recv_to_end([&](std::span<const std::byte>) {
    has_banner = true;
    socket.finish();
  });
  if (end == (has_banner ? Socket::End::kFIN : Socket::End::kRST)) return !has_banner;
  throw Failure("neither served nor refused");
}

double refused_share(const net::Address& address) {
  int refused = 0;
  for (int i = 0; i < kConnections; ++i) refused += is_refused(address) ? 1 : 0;
  return static_cast<double>(refused) / kConnections;
}

}  // namespace

TEST_CASE("routes that match no listener: NoMatchingParent") {
  World world(SLUICE_EACH_ENGINE(), {"web"});
  const auto [name, parent] = GENERATE(table<std::string, std::string>({
      {"HTTPRouteInvalidParentRefNotMatchingSectionName", "{ name: gw, sectionName: udp }"},
      {"HTTPRouteInvalidParentRefNotMatchingListenerPort", "{ name: gw, port: 9001 }"},
      {"HTTPRouteInvalidParentRefSectionNameNotMatchingPort",
       "{ name: gw, sectionName: tcp, port: 9001 }"},
      {"a gateway that is not there", "{ name: wg }"},
  }));
  INFO(name);
  world.apply(kGateway + route("name: r", parent, kWeb) + service("web", "127.0.0.11"));
  CHECK(world.status().route("r", "Accepted") == "False/NoMatchingParent");
  CHECK(world.status().attached_routes("gw", "tcp") == 0);
  CHECK_NOTHROW(world.expect_refused_by(9000));
  world.stop();
}

TEST_CASE("routes that no listener takes: NotAllowedByListeners") {
  World world(SLUICE_EACH_ENGINE(), {"web"});
  const auto [name, allowed] = GENERATE(table<std::string, std::string>({
      {"HTTPRouteInvalidCrossNamespaceParentRef", "namespaces: { from: Same }"},
      {"HTTPRouteInvalidCrossNamespaceParentRef, by labels",
       "namespaces: { from: Selector, selector: { matchLabels: { team: blue } } }"},
      {"HTTPRouteDisallowedKind", "namespaces: { from: All }, kinds: [{ kind: TLSRoute }]"},
  }));
  INFO(name);
  world.apply(gateway_allowing(allowed) +
              manifest("v1", "Namespace", "name: apps, labels: { team: red }", "") +
              route("name: r, namespace: apps", "{ name: gw, namespace: default }", kWeb) +
              service("web", "127.0.0.11", "apps"));
  CHECK(world.status().route("r", "Accepted") == "False/NotAllowedByListeners");
  CHECK(world.status().attached_routes("gw", "tcp") == 0);
  CHECK_NOTHROW(world.expect_refused_by(9000));
  world.stop();
}

TEST_CASE("HTTPRouteCrossNamespace") {
  World world(SLUICE_EACH_ENGINE(), {"web"});
  const std::string allowed =
      GENERATE(as<std::string>{}, "namespaces: { from: All }",
               "namespaces: { from: Selector, selector: { matchLabels: { team: red } } }");
  INFO(allowed);
  world.apply(gateway_allowing(allowed) +
              manifest("v1", "Namespace", "name: apps, labels: { team: red }", "") +
              route("name: r, namespace: apps", "{ name: gw, namespace: default }", kWeb) +
              service("web", "127.0.0.11", "apps"));
  CHECK(world.status().route("r", "Accepted") == "True/Accepted");
  CHECK(world.status().attached_routes("gw", "tcp") == 1);
  CHECK(world.reached_by(9000) == "web");
  world.stop();
}

TEST_CASE("HTTPRoutePartiallyInvalidViaInvalidReferenceGrant") {
  World world(SLUICE_EACH_ENGINE(), {"web", "granted", "hidden"});
  const auto apply_for = [&world](const std::string& other) {
    const std::string backend = "{ name: " + other + ", namespace: apps, port: 3000 }";
    world.apply(kGateway + route("name: r", "{ name: gw }", kWeb + ", " + backend) +
                service("web", "127.0.0.11") + service("granted", "127.0.0.12", "apps") +
                service("hidden", "127.0.0.13", "apps") + grant("apps", "default", "granted"));
  };
  apply_for("hidden");
  CHECK(world.status().route("r", "Accepted") == "True/Accepted");
  CHECK(world.status().route("r", "ResolvedRefs") == "False/RefNotPermitted");
  CHECK(std::abs(refused_share(world.at(9000)) - 0.5) <= 0.02);
  apply_for("missing");  // nor does it show that this one does not exist
  CHECK(world.status().route("r", "ResolvedRefs") == "False/RefNotPermitted");
  apply_for("granted");
  CHECK(world.status().route("r", "ResolvedRefs") == "True/ResolvedRefs");
  CHECK(refused_share(world.at(9000)) == 0);
  world.stop();
}

TEST_CASE("backends that are bad in part refuse their part") {
  World world(SLUICE_EACH_ENGINE(), {"web"});
  const auto [bad, resolved] = GENERATE(table<std::string, std::string>({
      {"{ name: missing, port: 3000, weight: 80 }", "False/BackendNotFound"},
      {"{ name: empty, port: 3000, weight: 80 }", "True/ResolvedRefs"},
      {"{ name: empty, namespace: apps, port: 3000, weight: 80 }", "False/RefNotPermitted"},
      {"{ group: x.io, kind: Bucket, name: web, port: 3000, weight: 80 }", "False/InvalidKind"},
  }));
  INFO(bad);
  world.apply(kGateway + route("name: r", "{ name: gw }", bad + ", " + ref("web", 20)) +
              service("web", "127.0.0.11") + service("empty", ""));
  CHECK(world.status().route("r", "Accepted") == "True/Accepted");
  CHECK(world.status().route("r", "ResolvedRefs") == resolved);
  CHECK(std::abs(refused_share(world.at(9000)) - 0.8) <= 0.02);
  world.stop();
}

TEST_CASE("backends that nobody can be sent to refuse everybody") {
  World world(SLUICE_EACH_ENGINE(), {"web"});
  const std::string backend = GENERATE(as<std::string>{}, ref("empty", 1), ref("web", 0));
  INFO(backend);
  world.apply(kGateway + route("name: r", "{ name: gw }", backend) + service("web", "127.0.0.11") +
              service("empty", ""));
  CHECK(world.status().route("r", "Accepted") == "True/Accepted");
  CHECK(world.status().route("r", "ResolvedRefs") == "True/ResolvedRefs");
  CHECK(world.status().route("r", "BackendsAvailable") == "False/EndpointsNotFound");
  for (int i = 0; i < 10; ++i) CHECK_NOTHROW(world.expect_refused_by(9000));
  world.stop();
}

TEST_CASE("who is connected stays where it is when the route, its backend or its listener goes") {
  World world(SLUICE_EACH_ENGINE(), {"web", "next"});
  const std::string services = service("web", "127.0.0.11") + service("next", "127.0.0.12");
  const auto apply_route = [&](const std::string& backend) {
    world.apply(kGateway + route("name: r", "{ name: gw }", ref(backend, 1)) + services);
  };
  apply_route("web");
  {
    EchoClient held(world.at(9000));
    apply_route("next");
    for (int i = 0; i < 10; ++i) CHECK(world.reached_by(9000) == "next");
    CHECK(held.ask_everything() == "web");
    world.apply(kGateway + services);
    CHECK(world.status().attached_routes("gw", "tcp") == 0);
    CHECK_NOTHROW(world.expect_refused_by(9000));
    CHECK(held.ask_everything() == "web");
    world.apply(gateway("name: gw", "{ name: other, port: 9001, protocol: TCP }"));
    CHECK_NOTHROW(world.expect_refused_by(9000));
    CHECK(held.ask_everything() == "web");
  }
  apply_route("web");
  CHECK(world.reached_by(9000) == "web");
  world.stop();
}

}  // namespace lb::test
