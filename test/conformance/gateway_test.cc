// What the Gateway API's conformance tests ask of gateways and their listeners, put to TCP, and the
// conflicts of ports that they leave out.
#include "test/conformance/echo_backend.h"
#include "test/conformance/manifests.h"
#include "test/conformance/world.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/engines.h"
#include "test/support/failure.h"

namespace lb::test {
namespace {

using Strings = std::vector<std::string>;

const std::string kGood = "{ name: good, port: 9000, protocol: TCP }";
const std::string kBad = "{ name: bad, port: 9001, protocol: example.com/carrier-pigeon }";

// A route to the first echo server from all listeners of gateway "gw", and what is behind it.
std::string routed() {
  return route("name: r", "{ name: gw }", "{ name: web, port: 3000 }") +
         service("web", "127.0.0.11");
}

}  // namespace

TEST_CASE("GatewayListenerUnsupportedProtocol") {
  World world(SLUICE_EACH_ENGINE(), {"web"});
  world.apply(gateway("name: gw", kBad) + routed());
  CHECK(world.status().gateway("gw", "Accepted") == "False/ListenersNotValid");
  CHECK(world.status().route("r", "Accepted") == "False/NotAllowedByListeners");

  world.apply(gateway("name: gw", kBad + ", " + kGood) + routed());
  const StatusView status = world.status();
  CHECK(status.gateway("gw", "Accepted") == "True/ListenersNotValid");
  CHECK(status.listener("gw", "bad", "Accepted") == "False/UnsupportedProtocol");
  CHECK(status.listener("gw", "bad", "Programmed") == "False/Invalid");
  CHECK(status.supported_kinds("gw", "bad").empty());
  CHECK(status.attached_routes("gw", "bad") == 0);
  CHECK(status.listener("gw", "good", "Programmed") == "True/Programmed");
  CHECK(status.attached_routes("gw", "good") == 1);
  CHECK(world.reached_by(9000) == "web");
  CHECK_NOTHROW(world.expect_refused_by(9001));
  world.stop();
}

TEST_CASE("GatewayInvalidRouteKind and GatewayWithAttachedRoutes") {
  World world(SLUICE_EACH_ENGINE(), {"web"});
  const auto kinds = [](const std::string& list) {
    return gateway("name: gw", "{ name: tcp, port: 9000, protocol: TCP, allowedRoutes: { kinds: [" +
                                   list + "] } }") +
           routed();
  };
  world.apply(kinds("{ kind: InvalidRoute }"));
  CHECK(world.status().listener("gw", "tcp", "ResolvedRefs") == "False/InvalidRouteKinds");
  CHECK(world.status().supported_kinds("gw", "tcp").empty());
  CHECK(world.status().attached_routes("gw", "tcp") == 0);
  CHECK_NOTHROW(world.expect_refused_by(9000));

  world.apply(kinds("{ kind: InvalidRoute }, { kind: TCPRoute }"));
  CHECK(world.status().listener("gw", "tcp", "ResolvedRefs") == "False/InvalidRouteKinds");
  CHECK(world.status().supported_kinds("gw", "tcp") == Strings{"TCPRoute"});
  CHECK(world.status().attached_routes("gw", "tcp") == 1);
  CHECK(world.reached_by(9000) == "web");
  world.stop();
}

TEST_CASE("GatewayStaticAddresses") {
  World world(SLUICE_EACH_ENGINE(), {"web"});
  const auto apply = [&world](const std::string& addresses) {
    world.apply(gateway("name: gw", kGood, "addresses: [" + addresses + "], ") + routed());
  };
  const std::string usable = "{ type: IPAddress, value: 127.0.0.1 }";
  const std::string foreign = "{ type: IPAddress, value: 192.0.2.1 }, ";
  apply("{ type: example.com/fake, value: somewhere }, " + foreign + usable);
  CHECK(world.status().gateway("gw", "Accepted") == "False/UnsupportedAddress");
  CHECK(world.status().gateway("gw", "Programmed") == "False/Invalid");
  CHECK_NOTHROW(world.expect_refused_by(9000));

  apply(foreign + usable);
  CHECK(world.status().gateway("gw", "Accepted") == "True/Accepted");
  CHECK(world.status().gateway("gw", "Programmed") == "False/AddressNotUsable");
  CHECK(world.reached_by(9000) == "web");

  apply(usable);
  CHECK(world.status().gateway("gw", "Accepted") == "True/Accepted");
  CHECK(world.status().gateway("gw", "Programmed") == "True/Programmed");
  CHECK(world.status().addresses("gw") == Strings{"127.0.0.1"});
  CHECK(world.reached_by(9000) == "web");
  CHECK_NOTHROW(expect_refused(world.at(9000, "127.0.0.2")));
  world.stop();
}

TEST_CASE("GatewayModifyListeners") {
  World world(SLUICE_EACH_ENGINE(), {"web"});
  const std::string more = "{ name: more, port: 9001, protocol: TCP }";
  world.apply(gateway("name: gw", kGood) + routed());
  CHECK(world.status().listeners("gw") == Strings{"good"});
  CHECK_NOTHROW(world.expect_refused_by(9001));
  {
    world.apply(gateway("name: gw", kGood + ", " + more) + routed());
    CHECK(world.status().listeners("gw") == Strings{"good", "more"});
    CHECK(world.status().listener("gw", "more", "Programmed") == "True/Programmed");
    CHECK(world.status().attached_routes("gw", "good") == 1);
    CHECK(world.status().attached_routes("gw", "more") == 1);
    EchoClient held(world.at(9000));
    CHECK(world.reached_by(9001) == "web");

    world.apply(gateway("name: gw", more) + routed());
    CHECK(world.status().listeners("gw") == Strings{"more"});
    CHECK_NOTHROW(world.expect_refused_by(9000));
    CHECK(world.reached_by(9001) == "web");
    CHECK(held.ask_everything() == "web");
  }
  world.stop();
}

TEST_CASE("GatewayObservedGenerationBump") {
  World world(SLUICE_EACH_ENGINE(), {"web"});
  const std::string gateways = gateway("name: gw", kGood + ", " + kBad);
  for (uint64_t generation = 1; generation <= 3; ++generation) {
    world.apply(gateways + routed());
    // A condition of another generation would throw.
    CHECK(world.status().generation() == generation);
  }
  world.stop();
}

TEST_CASE("two gateways that want one port both lose it, and nothing else") {
  World world(SLUICE_EACH_ENGINE(), {"web"});
  const std::string shared = "{ name: shared, port: 9001, protocol: TCP }";
  const std::string rest = gateway("name: gw", kGood + ", " + shared) + routed();
  world.apply(rest + gateway("name: other", shared));
  const StatusView status = world.status();
  for (const std::string name : {"gw", "other"}) {
    CHECK(status.listener(name, "shared", "Conflicted") == "True/ProtocolConflict");
    CHECK(status.listener(name, "shared", "Accepted") == "False/ProtocolConflict");
    CHECK(status.listener(name, "shared", "Programmed") == "False/ProtocolConflict");
  }
  CHECK(status.gateway("gw", "Accepted") == "True/ListenersNotValid");
  CHECK(status.gateway("other", "Accepted") == "False/ListenersNotValid");
  CHECK(status.listener("gw", "good", "Conflicted") == "False/NoConflicts");
  CHECK(world.reached_by(9000) == "web");
  CHECK_NOTHROW(world.expect_refused_by(9001));

  world.apply(rest);
  CHECK(world.status().listener("gw", "shared", "Conflicted") == "False/NoConflicts");
  CHECK(world.reached_by(9001) == "web");
  world.stop();
}

TEST_CASE("TCP and HTTPS on one port: neither is served") {
  World world(SLUICE_EACH_ENGINE(), {"web"});
  const std::string secure =
      "{ name: secure, port: 9000, protocol: HTTPS, tls: { certificateRefs: [{ name: c }] } }";
  const std::string other = "{ name: other, port: 9001, protocol: TCP }";
  world.apply(gateway("name: gw", kGood + ", " + secure + ", " + other) + routed());
  const StatusView status = world.status();
  for (const std::string name : {"good", "secure"}) {
    CHECK(status.listener("gw", name, "Conflicted") == "True/ProtocolConflict");
    CHECK(status.listener("gw", name, "Accepted") == "False/ProtocolConflict");
  }
  CHECK(status.gateway("gw", "Accepted") == "True/ListenersNotValid");
  CHECK_NOTHROW(world.expect_refused_by(9000));
  CHECK(world.reached_by(9001) == "web");
  world.stop();
}

}  // namespace lb::test
