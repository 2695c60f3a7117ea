// A configuration compiled for the data path: what is in it, and which endpoints outlive a change.
#include "lb/proxy/snapshot.h"

#include <string>
#include <vector>

#include "test/support/catch.h"
#include "test/unit/proxy/compiled_text.h"

namespace lb::proxy {
namespace {

using Strings = std::vector<std::string>;

// "10.0.0.1:80*2": address and weight.
Strings endpoints_of(const ServiceSnapshot& service) {
  Strings out;
  for (const balance::WeightedEndpoint& entry : service.endpoints) {
    out.push_back(entry.endpoint->label() + "*" + std::to_string(entry.weight));
  }
  return out;
}

Strings addresses_of(const ListenerSnapshot& listener) {
  Strings out;
  for (const net::Address& address : listener.addresses) out.push_back(address.to_string());
  return out;
}

std::string service(std::string_view name, std::string_view endpoints, std::string_view more = "") {
  return "[[services]]\nname = '" + std::string(name) +
         "'\nports = [{ port = 80 }]\nendpoints = [" + std::string(endpoints) + "]\n" +
         std::string(more) + "\n";
}

std::shared_ptr<balance::Endpoint> endpoint(const Snapshot& snapshot, size_t service,
                                            size_t index) {
  return snapshot.services.at(service).endpoints.at(index).endpoint;
}

}  // namespace

TEST_CASE("snapshot: all endpoints are there, those that get nothing, too") {
  const auto snapshot = compile_text(
      routed_to("{ name = 's', port = 80 }") +
      service("s",
              "{ address = '10.0.0.1', weight = 2 }, { address = '10.0.0.2', ready = false },"
              "{ address = '10.0.0.3', weight = 0 }, { address = '10.0.0.4', port = 81 },"
              "{ address = '2001:db8::1' }"));
  REQUIRE(snapshot->services.size() == 1);
  CHECK(snapshot->services[0].name == "s");
  CHECK(endpoints_of(snapshot->services[0]) == Strings{"10.0.0.1:80*2", "10.0.0.2:80*1",
                                                       "10.0.0.3:80*0", "10.0.0.4:81*1",
                                                       "[2001:db8::1]:80*1"});
  CHECK(!snapshot->services[0].endpoints[1].is_ready);
  CHECK(!snapshot->services[0].endpoints[2].is_usable());
  CHECK(snapshot->services[0].endpoints[3].is_usable());
}

TEST_CASE("snapshot: unix sockets are endpoints, by path and by abstract name") {
  const auto snapshot =
      compile_text(routed_to("{ name = 's', port = 80 }") +
                   service("s", "{ path = '/run/app.sock', weight = 3 }, { path = '@app' }"));
  CHECK(endpoints_of(snapshot->services.at(0)) == Strings{"/run/app.sock*3", "@app*1"});
  CHECK(endpoint(*snapshot, 0, 0)->address().is_unix());
}

TEST_CASE("snapshot: two ports of a service are two lists with their own target ports") {
  const auto snapshot = compile_text(
      routed_to("{ name = 's', port = 80 }, { name = 's', port = 81 }, { name = 's', port = 80 }") +
      "[[services]]\nname = 's'\nports = [{ name = 'x', port = 80 },"
      "{ name = 'y', port = 81, targetPort = 8081 }]\n"
      "endpoints = [{ address = '10.0.0.1' }, { address = '10.0.0.2', port = 9 }]\n");
  REQUIRE(snapshot->services.size() == 2);
  CHECK(endpoints_of(snapshot->services[0]) == Strings{"10.0.0.1:80*1", "10.0.0.2:9*1"});
  CHECK(endpoints_of(snapshot->services[1]) == Strings{"10.0.0.1:8081*1", "10.0.0.2:9*1"});
  const std::vector<BackendSnapshot>& backends = snapshot->routes.at(0).backends;
  REQUIRE(backends.size() == 3);
  CHECK(backends[0].service == 0U);
  CHECK(backends[1].service == 1U);
  CHECK(backends[2].service == 0U);
  // One service and one address: one endpoint, whichever port led to it.
  CHECK(endpoint(*snapshot, 0, 1) == endpoint(*snapshot, 1, 1));
}

TEST_CASE("snapshot: dead backends keep their place and weight") {
  const auto snapshot = compile_text(
      routed_to("{ name = 'missing', port = 1, weight = 5 }, { name = 's', port = 80 },"
                "{ name = 'empty', port = 80, weight = 0 }") +
      service("s", "{ address = '10.0.0.1' }") + service("empty", ""));
  const RouteSnapshot& route = snapshot->routes.at(0);
  CHECK(route.name == "r");
  CHECK(route.has_weight);
  REQUIRE(route.backends.size() == 3);
  CHECK(route.backends[0].weight == 5);
  CHECK(!route.backends[0].service);
  CHECK(route.backends[1].weight == 1);
  CHECK(route.backends[1].service == 0U);
  CHECK(route.backends[2].weight == 0);
  // One that is there may be given somebody at run time.
  REQUIRE(route.backends[2].service == 1U);
  CHECK(snapshot->services.size() == 2);
  CHECK_FALSE(snapshot->services[0].is_standby);
  CHECK(snapshot->services[1].is_standby);
  CHECK_FALSE(snapshot->services[1].is_manned());
}

TEST_CASE("snapshot: a route whose weights are all zero has none") {
  const auto snapshot = compile_text(routed_to("{ name = 's', port = 80, weight = 0 }") +
                                     service("s", "{ address = '10.0.0.1' }"));
  CHECK(!snapshot->routes.at(0).has_weight);
}

TEST_CASE("snapshot: an endpoint outlives a change by service and address") {
  balance::EndpointRegistry registry;
  const auto old = compile_text(
      routed_to("{ name = 's', port = 80 }, { name = 't', port = 80 }") +
          service("s", "{ address = '10.0.0.1' }, { address = '10.0.0.2' }, { path = '@app' }") +
          service("t", "{ address = '10.0.0.1' }"),
      registry);
  REQUIRE(old->services.size() == 2);
  endpoint(*old, 0, 0)->add_active();
  // The same address in another service is another endpoint.
  CHECK(endpoint(*old, 0, 0) != endpoint(*old, 1, 0));
  CHECK(endpoint(*old, 1, 0)->active() == 0);

  const auto fresh =
      compile_text(routed_to("{ name = 't', port = 80 }, { name = 's', port = 80 }") +
                       service("s",
                               "{ path = '@app' }, { address = '10.0.0.2', port = 81 },"
                               "{ address = '10.0.0.1', port = 80, weight = 7 }") +
                       service("t", "{ address = '10.0.0.2' }, { address = '10.0.0.1' }"),
                   registry);
  REQUIRE(fresh->services.size() == 2);
  REQUIRE(fresh->services[1].name == "s");
  CHECK(endpoint(*fresh, 1, 0) == endpoint(*old, 0, 2));
  CHECK(endpoint(*fresh, 1, 1) != endpoint(*old, 0, 1));  // another port
  CHECK(endpoint(*fresh, 1, 2) == endpoint(*old, 0, 0));
  CHECK(endpoint(*fresh, 1, 2)->active() == 1);
  CHECK(fresh->services[1].endpoints[2].weight == 7);
  CHECK(endpoint(*fresh, 0, 0) != endpoint(*old, 0, 1));  // that one was of s
  CHECK(endpoint(*fresh, 0, 1) == endpoint(*old, 1, 0));
}

TEST_CASE("snapshot: services of one name in two namespaces are two") {
  const std::string here = routed_to("{ name = 's', port = 80 }");
  const std::string there =
      "[[tcpRoutes]]\nname = 'r'\nnamespace = 'east'\nparentRefs = [{ name = 'g', namespace = "
      "'default' }]\nrules = [{ backendRefs = [{ name = 's', port = 80 }] }]\n";
  const auto snapshot =
      compile_text(here + there + service("s", "{ address = '10.0.0.1' }") +
                   service("s", "{ address = '10.0.0.1' }", "namespace = 'east'"));
  REQUIRE(snapshot->routes.size() == 2);
  CHECK(snapshot->routes[0].name == "r");
  CHECK(snapshot->routes[1].name == "east/r");
  REQUIRE(snapshot->services.size() == 2);
  CHECK(snapshot->services[0].name == "s");
  CHECK(snapshot->services[1].name == "east/s");
  CHECK(endpoint(*snapshot, 0, 0) != endpoint(*snapshot, 1, 0));
}

TEST_CASE("snapshot: listeners with their addresses, routes and policies") {
  const auto snapshot = compile_text(
      "[[gateways]]\nname = 'g'\nnamespace = 'east'\n"
      "addresses = [{ value = '127.0.0.1' }, { value = '::1' }]\n"
      "listeners = [{ name = 'one', port = 9001, protocol = 'TCP',"
      " timeout = { tcp = { idleTimeout = '7s', halfCloseTimeout = '0s' } },"
      " connection = { bufferLimit = '8Ki' } },\n"
      "{ name = 'two', port = 9002, protocol = 'TCP', allowedRoutes = { namespaces = { from = "
      "'All' } } }]\n"
      "[[gateways]]\nname = 'any'\nlisteners = [{ name = 'l', port = 9003, protocol = 'TCP' },\n"
      "{ name = 'udp', port = 9004, protocol = 'UDP' }]\n"
      "[[gateways]]\nname = 'any4'\naddresses = [{ value = '0.0.0.0' }]\n"
      "listeners = [{ name = 'l', port = 9005, protocol = 'TCP' }]\n"
      "[[tcpRoutes]]\nname = 'r'\nparentRefs = [{ name = 'g', namespace = 'east' }]\n"
      "rules = [{ backendRefs = [{ name = 's', port = 80 }] }]\n" +
      service("s", "{ address = '10.0.0.1' }"));
  // Listeners that are not TCP are not served.
  REQUIRE(snapshot->listeners.size() == 4);
  const ListenerSnapshot& one = snapshot->listeners[0];
  CHECK(one.gateway == "east/g");
  CHECK(one.name == "one");
  CHECK(addresses_of(one) == Strings{"127.0.0.1:9001", "[::1]:9001"});
  CHECK(!one.route);  // from another namespace
  CHECK(one.policy.idle_timeout_ms == 7000);
  CHECK(one.policy.half_close_timeout_ms == 0);
  CHECK(one.policy.buffer_limit_bytes == 8192);
  const ListenerSnapshot& two = snapshot->listeners[1];
  CHECK(addresses_of(two) == Strings{"127.0.0.1:9002", "[::1]:9002"});
  CHECK(two.route == 0U);
  CHECK(two.policy.idle_timeout_ms == 3'600'000);
  CHECK(two.policy.buffer_limit_bytes == 65536);
  CHECK(snapshot->listeners[2].gateway == "any");
  CHECK(addresses_of(snapshot->listeners[2]) == Strings{"[::]:9003"});
  CHECK(addresses_of(snapshot->listeners[3]) == Strings{"0.0.0.0:9005"});
}

TEST_CASE("snapshot: the policy of a service") {
  const auto snapshot = compile_text(routed_to("{ name = 's', port = 80 }") +
                                     service("s", "{ address = '10.0.0.1' }",
                                             "timeout = { tcp = { connectTimeout = '250ms' } }\n"
                                             "retry = { maxAttempts = 2, totalTimeout = '3s' }"));
  const config::ServicePolicy& policy = snapshot->services.at(0).policy;
  CHECK(policy.connect_timeout_ms == 250);
  CHECK(policy.retry_max_attempts == 2);
  CHECK(policy.retry_total_timeout_ms == 3000);
}

TEST_CASE("snapshot: the older of two routes serves a listener, and both are there") {
  const auto snapshot = compile_text(
      "gateways = [{ name = 'g', listeners = [{ name = 'l', port = 9000, protocol = 'TCP' }] }]\n"
      "[[tcpRoutes]]\nname = 'young'\ncreationTimestamp = '2024-01-02T00:00:00Z'\n"
      "parentRefs = [{ name = 'g' }]\nrules = [{ backendRefs = [{ name = 's', port = 80 }] }]\n"
      "[[tcpRoutes]]\nname = 'old'\ncreationTimestamp = '2024-01-01T00:00:00Z'\n"
      "parentRefs = [{ name = 'g' }]\nrules = [{ backendRefs = [{ name = 's', port = 80 }] }]\n" +
      service("s", "{ address = '10.0.0.1' }"));
  REQUIRE(snapshot->routes.size() == 2);
  CHECK(snapshot->listeners.at(0).route == 1U);
  CHECK(snapshot->routes[1].name == "old");
}

}  // namespace lb::proxy
