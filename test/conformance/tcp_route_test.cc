// The Gateway API's conformance tests for TCPRoute by their own names, with their manifests: what
// they ask of the status, and of the traffic, where they leave that out.
#include <array>
#include <cmath>
#include <future>
#include <map>

#include "test/conformance/echo_backend.h"
#include "test/conformance/world.h"
#include "test/support/catch.h"
#include "test/support/engines.h"
#include "test/support/failure.h"

namespace lb::test {
namespace {

using Strings = std::vector<std::string>;
using Shares = std::map<std::string, double>;

std::string manifests(const std::string& name) {
  return read_manifests("conformance/" + name + ".yaml");
}

// Of 500 connections, 10 at a time; one that is not served throws.
Shares shares_of(const net::Address& address) {
  constexpr int kConnections = 500;
  constexpr int kAtATime = 10;
  std::vector<std::future<Strings>> clients(kAtATime);
  for (std::future<Strings>& client : clients) {
    client = std::async(std::launch::async, [&address] {
      Strings names(kConnections / kAtATime);
      for (std::string& name : names) name = EchoClient(address).ask_name();
      return names;
    });
  }
  Shares shares;
  for (std::future<Strings>& client : clients) {
    for (const std::string& name : client.get()) shares[name] += 1.0 / kConnections;
  }
  return shares;
}

}  // namespace

TEST_CASE("TCPRouteInvalidBackendRefNonexistent") {
  World world(SLUICE_EACH_ENGINE());
  world.apply(manifests("invalid-backend-ref-nonexistent"));
  const std::string route = "tcp-route-invalid-backend-ref-nonexistent";
  CHECK(world.status().route(route, "ResolvedRefs") == "False/BackendNotFound");
  CHECK(world.status().route(route, "Accepted") == "True/Accepted");
  CHECK_NOTHROW(world.expect_refused_by(9300));
  world.stop();
}

TEST_CASE("TCPRouteInvalidCrossNamespaceBackendRef") {
  World world(SLUICE_EACH_ENGINE(), {"tcp-invalid-xns-backend"});
  world.apply(manifests("invalid-cross-namespace-backend-ref"));
  const std::string route = "tcp-route-invalid-cross-namespace-backend-ref";
  CHECK(world.status().route(route, "Accepted") == "True/Accepted");
  CHECK(world.status().route(route, "ResolvedRefs") == "False/RefNotPermitted");
  CHECK(world.status().attached_routes("tcp-gateway-cross-namespace", "tcp") == 1);
  CHECK_NOTHROW(world.expect_refused_by(9321));
  world.stop();
}

TEST_CASE("TCPRouteInvalidNonTCPListener") {
  World world(SLUICE_EACH_ENGINE());
  world.apply(manifests("invalid-non-tcp-listener"));
  const StatusView status = world.status();
  CHECK(status.route("tcp-route", "Accepted") == "False/NotAllowedByListeners");
  const std::string gateway = "tcp-mixed-protocol-gateway";
  const std::string listener = "only-allow-http-routes";
  CHECK(status.attached_routes(gateway, listener) == 0);
  CHECK(status.listener(gateway, listener, "Accepted") == "False/UnsupportedProtocol");
  CHECK_NOTHROW(world.expect_refused_by(5300));
  world.stop();
}

TEST_CASE("TCPRouteMultipleRoutesAttachment") {
  World world(SLUICE_EACH_ENGINE(), {"tcp-attach-backend-1", "tcp-attach-backend-2"});
  const std::string both = manifests("multiple-routes-attachment");
  world.apply(without_manifest(both, "name: tcproute-attach-newer"));
  const std::string gateway = "tcp-multi-route-attach-gateway";
  CHECK(world.status().attached_routes(gateway, "tcp") == 1);
  CHECK(world.reached_by(9310) == "tcp-attach-backend-1");

  world.apply(both);
  const StatusView status = world.status();
  CHECK(status.route("tcproute-attach-older", "Accepted") == "True/Accepted");
  CHECK(status.route("tcproute-attach-newer", "Accepted") == "True/Accepted");
  CHECK(status.listener(gateway, "tcp", "Accepted") == "True/Accepted");
  CHECK(status.supported_kinds(gateway, "tcp") == Strings{"TCPRoute"});
  CHECK(status.attached_routes(gateway, "tcp") == 2);
  for (int i = 0; i < 100; ++i) REQUIRE(world.reached_by(9310) == "tcp-attach-backend-1");

  world.apply(without_manifest(both, "name: tcproute-attach-older"));
  CHECK(world.reached_by(9310) == "tcp-attach-backend-2");
  world.stop();
}

TEST_CASE("TCPRouteParentRefAttachAll") {
  World world(SLUICE_EACH_ENGINE(), {"tcp-echo-attach-all"});
  world.apply(manifests("parent-ref-attach-all"));
  CHECK(world.status().route("tcp-route-attach-all", "Accepted") == "True/Accepted");
  for (const uint16_t port : std::array<uint16_t, 4>{9310, 9311, 9312, 9313}) {
    CHECK(world.reached_by(port) == "tcp-echo-attach-all");
  }
  world.stop();
}

TEST_CASE("TCPRouteParentRefPortAndSectionName") {
  World world(SLUICE_EACH_ENGINE(), {"tcp-echo-one", "tcp-echo-two", "tcp-echo-three"});
  world.apply(manifests("parent-ref-port-and-section-name"));
  for (const std::string route : {"by-port", "by-section", "by-section-and-port"}) {
    CHECK(world.status().route(route, "Accepted") == "True/Accepted");
  }
  CHECK(world.reached_by(9300) == "tcp-echo-one");
  CHECK(world.reached_by(9301) == "tcp-echo-two");
  CHECK(world.reached_by(9302) == "tcp-echo-three");
  world.stop();
}

TEST_CASE("TCPRouteReferenceGrant") {
  World world(SLUICE_EACH_ENGINE(), {"tcp-reference-grant-backend"});
  const std::string granted = manifests("reference-grant");
  const std::string route = "tcp-route-reference-grant";
  world.apply(granted);
  CHECK(world.status().route(route, "ResolvedRefs") == "True/ResolvedRefs");
  CHECK(world.reached_by(9320) == "tcp-reference-grant-backend");
  {
    EchoClient held(world.at(9320));
    world.apply(without_manifest(granted, "kind: ReferenceGrant"));
    CHECK(world.status().route(route, "Accepted") == "True/Accepted");
    CHECK(world.status().route(route, "ResolvedRefs") == "False/RefNotPermitted");
    for (int i = 0; i < 10; ++i) CHECK_NOTHROW(world.expect_refused_by(9320));
    CHECK(held.ask_everything() == "tcp-reference-grant-backend");
  }
  world.apply(granted);
  CHECK(world.status().route(route, "ResolvedRefs") == "True/ResolvedRefs");
  CHECK(world.reached_by(9320) == "tcp-reference-grant-backend");
  world.stop();
}

TEST_CASE("TCPRouteWeightedRouting") {
  World world(SLUICE_EACH_ENGINE(), {"tcp-weighted-v1", "tcp-weighted-v2", "tcp-weighted-v3"});
  world.apply(manifests("weighted-routing"));
  Shares shares = shares_of(world.at(9300));
  CHECK(shares.size() == 2);
  CHECK(std::abs(shares["tcp-weighted-v1"] - 0.7) <= 0.02);
  CHECK(std::abs(shares["tcp-weighted-v2"] - 0.3) <= 0.02);
  world.stop();
}

}  // namespace lb::test
