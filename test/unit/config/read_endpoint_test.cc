// Endpoints that are hostnames, and what an endpoint says beside where it is. Addresses and paths
// are in validate_test.cc.
#include "test/unit/config/service_text.h"

namespace lb::config {
namespace {

Endpoint load_endpoint(std::string_view endpoint) {
  return load_service("", endpoint).endpoints.at(0);
}

// A fault in an endpoint, which begins at column 14 of line 6.
FaultCase endpoint_case(std::string_view endpoint, std::vector<std::string> expected,
                        std::string_view says) {
  return {endpoint, service_text("", endpoint), std::move(expected), says};
}

TEST_CASE("an endpoint may be a hostname, in any case") {
  const Endpoint plain = load_endpoint("{ hostname = 'DB-1.Example.COM', port = 5432 }");
  CHECK(plain.hostname == "db-1.example.com");
  CHECK(plain.port == 5432);
  CHECK_FALSE(plain.srv);
  CHECK(plain.address.empty());
  CHECK(plain.usable());
  const Endpoint srv = load_endpoint("{ hostname = '_pg._tcp.db.example', srv = true }");
  CHECK(srv.hostname == "_pg._tcp.db.example");
  CHECK(srv.srv);
  for (const std::string& name :
       {std::string("localhost"), std::string("a"), std::string("db.example.com."),
        std::string("3com.example"), std::string("10.0.0.0.example"), std::string(63, 'a'),
        std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." +
            std::string(61, 'd')}) {
    INFO(name);
    CHECK(load_endpoint("{ hostname = '" + name + "' }").hostname == name);
  }
}

TEST_CASE("what is no hostname is refused at its place") {
  for (const std::string& name :
       {std::string(""), std::string("."), std::string("a..b"), std::string(".a"),
        std::string("a.b.."), std::string("-a"), std::string("a-"), std::string("a b"),
        std::string("10.0.0.1"), std::string("10.0.0.256"), std::string("::1"),
        std::string("db.example:80"), std::string("_pg._tcp.db.example"), std::string("my_db"),
        std::string("*.db.example"), std::string("d\xc3\xbc.example"), std::string(64, 'a'),
        std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." +
            std::string(62, 'd')}) {
    INFO(name);
    const LoadResult result = load_text(service_text("", "{ hostname = '" + name + "' }"), "f");
    CHECK(places(result.faults) == std::vector<std::string>{"E0113 6:27"});
  }
  check_texts({
      endpoint_case("{ hostname = '10.0.0.1' }", {"E0113 6:27"},
                    "hostname must be a DNS name such as db.example.com, not an IP"),
      endpoint_case("{ hostname = '_pg._tc p.db', srv = true }", {"E0113 6:27"},
                    "hostname must be the name of a DNS record such as _pg._tcp.example.com"),
      endpoint_case("{ hostname = '__pg.db', srv = true }", {"E0113 6:27"}, ""),
      endpoint_case("{ hostname = 'a.b', address = '10.0.0.1' }", {"E0209 6:14"},
                    "only one of address, hostname and path may be specified"),
      endpoint_case("{ srv = true, address = '10.0.0.1' }", {"E0209 6:22"},
                    "srv must not be true without hostname"),
      endpoint_case("{ hostname = '_a.b', srv = true, port = 5 }", {"E0215 6:54"},
                    "port must not be specified beside srv: the records say the port"),
      endpoint_case("{ address = 'db.example' }", {"E0116 6:26"},
                    "did you mean \"hostname = 'db.example'\"?"),
  });
}

TEST_CASE("one name twice is a fault unless the ports differ") {
  const auto two = [](std::string_view first, std::string_view second) {
    return fmt::format("{{ hostname = {} }},\n{{ hostname = {} }}", first, second);
  };
  check_texts({
      endpoint_case(two("'a.b'", "'A.b'"), {"E0210 7:1"},
                    "duplicate endpoint a.b in service \"s\", first at line 6"),
      endpoint_case(two("'a.b'", "'a.b', port = 1"), {"E0210 7:1"}, ""),
      endpoint_case(two("'a.b'", "'a.b', port = 2"), {}, ""),
      endpoint_case(two("'a.b'", "'a.b', srv = true"), {}, ""),
      endpoint_case(two("'a.b', srv = true", "'a.b', srv = true"), {"E0210 7:1"}, ""),
  });
}

TEST_CASE("priority and maxConnections of an endpoint") {
  const Endpoint silent = load_endpoint("{ address = '10.0.0.1' }");
  CHECK(silent.priority == 0);
  CHECK(silent.max_connections == 0);
  const Endpoint endpoint =
      load_endpoint("{ path = '/a', priority = 127, maxConnections = 1073741824 }");
  CHECK(endpoint.priority == 127);
  CHECK(endpoint.max_connections == 1U << 30);
  check_texts({
      endpoint_case("{ path = '/a', priority = 128 }", {"E0110 6:40"}, "within 0..127"),
      endpoint_case("{ path = '/a', priority = -1 }", {"E0110 6:40"}, ""),
      endpoint_case("{ path = '/a', maxConnections = -1 }", {"E0110 6:46"}, "within 0..1073741824"),
  });
}

TEST_CASE("a hostname is an endpoint to the conditions before it is resolved") {
  const Outcome outcome = outcome_of(service_text("", "{ hostname = 'a.b' }"));
  REQUIRE(outcome.is_valid);
  CHECK(outcome.faults.empty());
  CHECK(condition_text(outcome.status).find("route r[0]: BackendsAvailable=True") !=
        std::string::npos);
}

}  // namespace
}  // namespace lb::config
