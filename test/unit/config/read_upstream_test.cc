// proxyProtocol, source, onEndpointDown, onEndpointRemoved and dns of a service, and [dns]: what
// they take, and where a wrong value is reported.
#include "test/unit/config/service_text.h"

namespace lb::config {
namespace {

TEST_CASE("proxyProtocol takes a version, and version 2 what it carries") {
  CHECK(load_policy("").proxy_header == ProxyHeader());
  CHECK(load_policy("proxyProtocol.version = 'V1'").proxy_header ==
        ProxyHeader{ProxyVersion::kV1, {}});
  CHECK(load_policy("proxyProtocol = { version = 'V2', tlvs = ['crc32c', 'authority'] }")
            .proxy_header == ProxyHeader{ProxyVersion::kV2, {true, false, false, true}});
  CHECK(
      load_policy("proxyProtocol = { version = 'V2', tlvs = ['alpn', 'uniqueId'] }").proxy_header ==
      ProxyHeader{ProxyVersion::kV2, {false, true, true, false}});
  check_policies({
      {"proxyProtocol = {}", {"E0107 7:17"}, "version is missing"},
      {"proxyProtocol.version = 2", {"E0106 7:25"}, "version must be \"V1\", \"V2\" or \"None\""},
      {"proxyProtocol.version = 'v2'", {"E0109 7:25"}, "did you mean \"V2\"?"},
      {"proxyProtocol = { version = 'V1', tlvs = ['alpn'] }",
       {"E0215 7:42"},
       "tlvs must not be specified but with version V2"},
      {"proxyProtocol = { version = 'V2', tlvs = ['alpn', 'uniqueID'] }",
       {"E0109 7:51"},
       "every entry of tlvs must be \"authority\", \"alpn\", \"uniqueId\" or \"crc32c\", but this "
       "is \"uniqueID\""},
      {"proxyProtocol = { version = 'V2', tlvs = 'alpn' }", {"E0106 7:42"}, "array of strings"},
  });
  const std::string defaults =
      "\n[defaults.service]\nproxyProtocol = { version = 'V2', tlvs = ['alpn'] }";
  CHECK(load_policy("proxyProtocol.version = 'None'" + defaults).proxy_header == ProxyHeader());
  CHECK(load_policy("proxyProtocol.version = 'V1'" + defaults).proxy_header ==
        ProxyHeader{ProxyVersion::kV1, {}});
  CHECK(load_policy("proxyProtocol.tlvs = ['crc32c']" + defaults).proxy_header ==
        ProxyHeader{ProxyVersion::kV2, {false, false, false, true}});
}

TEST_CASE("source takes a pool, the client's own address, and an interface") {
  CHECK(load_policy("").source == UpstreamSource());
  CHECK(
      load_policy("source = { addresses = ['10.0.0.2', '0::1'], interface = 'eth0.100' }").source ==
      UpstreamSource{{"10.0.0.2", "::1"}, false, "eth0.100"});
  CHECK(load_policy("source.transparent = true").source == UpstreamSource{{}, true, ""});
  const std::string every = "every entry of addresses must be an IP address of this host, but ";
  check_policies({
      {"source.addresses = ['10.0.0.2:80']", {"E0116 7:21"}, "did you mean \"10.0.0.2\"?"},
      {"source.addresses = ['eth0']", {"E0116 7:21"}, every},
      {"source.addresses = ['0.0.0.0']", {"E0116 7:21"}, every},
      {"source.addresses = ['::1', '0::1']",
       {"E0206 7:28"},
       "every entry of addresses must be there once, but this is \"0::1\""},
      {"source.addresses = '10.0.0.2'", {"E0106 7:20"}, "must be an array of strings"},
      {"source = { addresses = ['10.0.0.2'], transparent = true }",
       {"E0215 7:52"},
       "transparent must not be true beside addresses: the source is the client's address"},
      {"source.interface = 'fifteen-bytes-x'", {}, ""},
      {"source.interface = 'sixteen-bytes-xx'",
       {"E0113 7:20"},
       "interface must be the name of a network interface, which has at most 15 bytes"},
      {"source.interface = 'eth 0'", {"E0113 7:20"}, ""},
      {"source.interface = 'eth0:1'", {"E0113 7:20"}, ""},
      {"source.interface = '../x'", {"E0113 7:20"}, ""},
      {"source.interface = '..'", {"E0113 7:20"}, ""},
  });
  const std::string pool = "\n[defaults.service]\nsource.addresses = ['10.0.0.2']";
  CHECK(load_policy("source.transparent = true" + pool).source == UpstreamSource{{}, true, ""});
  CHECK(load_policy("source.addresses = []" + pool).source == UpstreamSource());
  CHECK(load_policy("source.addresses = ['10.0.0.3']\n"
                    "[defaults.service]\nsource.transparent = true")
            .source == UpstreamSource{{"10.0.0.3"}, false, ""});
}

TEST_CASE("what becomes of connections to endpoints that have gone") {
  const ServicePolicy silent = load_policy("");
  CHECK(silent.on_endpoint_down == Closing());
  CHECK(silent.on_endpoint_removed == Closing());
  const ServicePolicy policy =
      load_policy("onEndpointDown = 'Close'\nonEndpointRemoved = { spread = '30s' }");
  CHECK(policy.on_endpoint_down == Closing{Closing::Mode::kClose, 0});
  CHECK(policy.on_endpoint_removed == Closing{Closing::Mode::kSpread, 30'000});
  CHECK(load_policy("onEndpointDown = 'Keep'\n[defaults.service]\nonEndpointDown = 'Close'")
            .on_endpoint_down == Closing());
  check_policies({
      {"onEndpointDown = 'close'",
       {"E0109 7:18"},
       "onEndpointDown must be \"Keep\", \"Close\" or { spread = \"30s\" }, but is \"close\""},
      {"onEndpointDown = 'close'", {"E0109 7:18"}, "did you mean \"Close\"?"},
      {"onEndpointRemoved = true",
       {"E0106 7:21"},
       "onEndpointRemoved must be \"Keep\", \"Close\" or { spread = \"30s\" }, but this is a "
       "boolean"},
      {"onEndpointRemoved = {}", {"E0107 7:21"}, "spread is missing"},
      {"onEndpointRemoved.spread = '0s'", {"E0110 7:28"}, "spread must be at least 1ms"},
      {"onEndpointRemoved.spreed = '1s'", {"E0107 7:1", "E0105 7:19"}, "did you mean \"spread\"?"},
  });
}

const std::string kName = "{ hostname = 'db.example' }";

TEST_CASE("how long an answer of the DNS is believed") {
  CHECK(load_service("", kName).policy.dns == DNSPolicy{0, 1'000, 3'600'000});
  CHECK(load_service("dns = { refresh = '30s', minTTL = '5s', maxTTL = '1m' }", kName).policy.dns ==
        DNSPolicy{30'000, 5'000, 60'000});
  // The default of one bound is no reason to refuse the other.
  CHECK(load_service("dns.minTTL = '2h'", kName).policy.dns == DNSPolicy{0, 7'200'000, 7'200'000});
  CHECK(load_service("dns.maxTTL = '10ms'", kName).policy.dns == DNSPolicy{0, 10, 10});
  check_texts({
      {"refresh",
       service_text("dns.refresh = '9ms'", kName),
       {"E0110 7:15"},
       "refresh must be at least 10ms"},
      {"no time", service_text("dns.minTTL = '0s'", kName), {"E0110 7:14"}, ""},
      {"bounds",
       service_text("dns = { minTTL = '2s', maxTTL = '1s' }", kName),
       {"E0110 7:18"},
       "minTTL must not be longer than maxTTL"},
      {"case", service_text("dns.minTtl = '2s'", kName), {"E0105 7:5"}, "did you mean \"minTTL\"?"},
      {"no name",
       service_text("dns.refresh = '30s'"),
       {"W0322 7:1"},
       "dns has no effect: no endpoint has a hostname"},
      {"the defaults", service_text("[defaults.service]\ndns.refresh = '30s'"), {}, ""},
  });
}

TEST_CASE("[dns] takes servers with and without a port") {
  const auto load = [](std::string_view servers) {
    return load_text(fmt::format("{}[dns]\nservers = [{}]\n", kSound, servers), "f");
  };
  CHECK(load_text(kSound, "f").config->dns.servers.empty());
  const LoadResult result = load("'127.0.0.1:5353', '10.0.0.53', '::1', '[::1]:5353'");
  INFO(printed(result.faults));
  REQUIRE(result.config);
  std::vector<std::string> servers;
  for (const net::Address& server : result.config->dns.servers) {
    servers.push_back(server.to_string());
  }
  CHECK(servers ==
        std::vector<std::string>{"127.0.0.1:5353", "10.0.0.53:53", "[::1]:53", "[::1]:5353"});
  for (const std::string wrong :
       {"localhost", "", "127.0.0.1:0", "127.0.0.1:65536", "[::1]", "/run/x"}) {
    INFO(wrong);
    const LoadResult refused = load("'10.0.0.53', '" + wrong + "'");
    CHECK(places(refused.faults) == std::vector<std::string>{"E0116 5:25"});
    CHECK(printed(refused.faults).find("every entry of servers must be an IP address, perhaps") !=
          std::string::npos);
  }
}

}  // namespace
}  // namespace lb::config
