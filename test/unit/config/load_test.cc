// Reading: every kind of fault that one value or one object can have, by its code and place; and
// what good values become.
#include "lb/config/load.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "test/support/catch.h"
#include "test/unit/config/config_text.h"

namespace lb::config {
namespace {

void check_all(const std::vector<FaultCase>& cases) {
  for (const FaultCase& fault_case : cases) {
    INFO(fault_case.about << "\n" << fault_case.text);
    const LoadResult result = load_text(fault_case.text, "f");
    CHECK(result.config.has_value() == fault_case.expected.empty());
    CHECK(places(result.faults) == fault_case.expected);
    const std::string shown = printed(result.faults);
    INFO(shown);
    CHECK(shown.find(fault_case.says) != std::string::npos);
  }
}

TEST_CASE("what is no TOML is refused at its place") {
  check_all({
      {"syntax", "[[gateways]\nname = 1\n", {"E0101 1:12"}, "error[E0101]: "},
      {"the same key twice", "[log]\nlevel = 'info'\nlevel = 'warn'\n", {"E0101 3:9"}, "level"},
      {"a NUL byte", std::string("a = 1\né\0", 9), {"E0104 2:2"}, "NUL byte"},
      {"empty", "", {"E0201 1:1"}, "serves nothing: it has no [[gateways]]"},
      {"only a comment", "# nothing\n", {"E0201 1:1"}, "serves nothing"},
      {"an empty list", "\ngateways = []\n", {"E0201 2:12"}, "serves nothing"},
      {"dots without end", "a" + std::string(100'000, '.') + "b = 1", {"E0101 1:3"}, ""},
  });
  std::string deep = "[a";
  for (int i = 0; i < 1'000'000; ++i) deep += ".a";
  CHECK(places(load_text(deep + "]", "f").faults) == std::vector<std::string>{"E0101 1:99"});
  CHECK(load_text(std::string(kMaxFileBytes + 1, '#'), "f").faults.at(0).code ==
        FaultCode::kTooLarge);
}

TEST_CASE("dots in comments and texts are no keys") {
  std::string dots;
  for (int i = 0; i < 200; ++i) dots += " .";
  CHECK(load_text("  #" + dots + "\n" + kSound + "# " + std::string(200, '.') + "\n", "f").config);
}

TEST_CASE("unknown keys are errors with the nearest known one") {
  check_all({
      {"at the top", kSound + "[tcproutes]\n", {"E0105 4:2"}, "did you mean \"tcpRoutes\"?"},
      {"a word of another",
       kSound + "[runtime]\nengin = 'epoll'\n",
       {"E0105 5:1"},
       "unknown key \"engin\" in runtime\nengin = 'epoll'\n^\n  did you mean \"engine\"?"},
      {"snake case",
       kSound + "[accessLog]\n[log]\nLevel = 'info'\n[runtime]\nshutdown_timeout = 1",
       {"E0105 6:1", "E0105 8:1"},
       "did you mean \"shutdownTimeout\"?"},
      {"deep inside",
       gateway_with(
           "{ name = 'l', port = 1, protocol = 'TCP', timeout.tcp = { idletime = '1s' } }"),
       {"E0105 2:59"},
       "in gateways[].listeners[].timeout.tcp"},
      {"a dotted key",
       kSound + "defaults.listener.conection.bufferLimit = 1\n",
       {"E0105 4:19"},
       "did you mean \"connection\"?"},
      {"near to what is not built yet",
       kSound + "[defaults.service]\ntcpKeepAlive = {}\n",
       {"E0105 5:1"},
       "did you mean \"tcpKeepalive\"?"},
      {"nothing near",
       kSound + "zzzzzz = 1\n",
       {"E0105 4:1"},
       "unknown key \"zzzzzz\" at the top level\nzzzzzz = 1\n^\n"},
  });
  CHECK(load_text(kSound + "zzzzzz = 1\n", "f").faults[0].suggestion.empty());
}

TEST_CASE("keys and values of the contract that are not built yet say so") {
  for (const std::string_view key :
       {"accessLog = { interval = '1m' }", "accessLog = { format = 'haproxy' }",
        "defaults.listener.proxyProtocol = {}", "defaults.listener.perSource = {}",
        "defaults.listener.connection.connectionLimit.value = 5",
        "defaults.service.tcpKeepalive = {}"}) {
    INFO(key);
    const LoadResult result = load_text(kSound + std::string(key) + "\n", "f");
    CHECK_FALSE(result.config);
    REQUIRE(result.faults.size() == 1);
    CHECK(code_text(result.faults[0]) == "E0108");
    CHECK(result.faults[0].where.line == 4);
    CHECK(result.faults[0].message.find(" is not supported by this version") != std::string::npos);
  }
  check_all({
      {"unix instead of port: one fault, not two",
       gateway_with("{ name = 'l', unix = '/run/x', protocol = 'TCP' }"),
       {"E0108 2:15"},
       "unix is not supported"},
  });
}

TEST_CASE("wrong types name what was expected and what was found") {
  check_all({
      {"string",
       kSound + "[accessLog]\npath = 1\n",
       {"E0106 5:8"},
       "path must be a string, but is an integer"},
      {"integer",
       kSound + "[runtime]\nworkers = 1.5\n",
       {"E0106 5:11"},
       "workers must be an integer, but is a float"},
      {"choice",
       kSound + "[log]\nlevel = true\n",
       {"E0106 5:9"},
       "level must be \"debug\", \"info\", \"warn\" or \"error\", but is a boolean"},
      {"size",
       kSound + "[defaults.listener.connection]\nbufferLimit = []\n",
       {"E0106 5:15"},
       "bufferLimit must be a size such as \"64Ki\" or 65536, but is an array"},
      {"one table instead of several",
       "[gateways]\nname = 'g'\n",
       {"E0106 1:1"},
       "gateways must be an array of tables, but is a table\n[gateways]\n^\n  did you mean "
       "\"[[gateways]]\"?"},
      {"several tables instead of one",
       kSound + "[[runtime]]\nworkers = 1\n",
       {"E0106 4:1"},
       "did you mean \"[runtime]\"?"},
      {"an entry that is no table",
       gateway_with("'l'"),
       {"E0106 2:1"},
       "every entry of listeners must be a table, but this is a string"},
      {"a date alone",
       "[[gateways]]\nname = 'g'\ncreationTimestamp = 2024-01-01\n"
       "listeners = [{ name = 'l', port = 1, protocol = 'TCP' }]\n",
       {"E0106 3:21"},
       "creationTimestamp must be a date and time such as 2024-05-01T12:00:00Z, but is a date"},
      {"a string that is no time",
       "[[gateways]]\nname = 'g'\ncreationTimestamp = '2024-02-30T00:00:00Z'\n"
       "listeners = [{ name = 'l', port = 1, protocol = 'TCP' }]\n",
       {"E0115 3:21"},
       "but is \"2024-02-30T00:00:00Z\""},
  });
}

TEST_CASE("values out of their range or form are refused") {
  check_all({
      {"port 0",
       gateway_with("{ name = 'l', port = 0, protocol = 'TCP' }"),
       {"E0110 2:22"},
       "port must be within 1..65535, but is 0"},
      {"port 65536",
       gateway_with("{ name = 'l', port = 65536, protocol = 'TCP' }"),
       {"E0110 2:22"},
       ""},
      {"buffer below 4Ki",
       kSound + "defaults.listener.connection.bufferLimit = '4095'\n",
       {"E0110 4:44"},
       "bufferLimit must be within 4096..1073741824 bytes, but is 4095"},
      {"no size",
       kSound + "defaults.listener.connection.bufferLimit = '64K'\n",
       {"E0112 4:44"},
       ""},
      {"no duration",
       kSound + "defaults.listener.timeout.tcp.idleTimeout = '1 hour'\n",
       {"E0111 4:45"},
       "but is \"1 hour\""},
      {"no connect timeout at all",
       kSound + "defaults.service.timeout.tcp.connectTimeout = '0s'\n",
       {"E0110 4:47"},
       "must be at least 1ms"},
      {"no attempt", kSound + "defaults.service.retry.maxAttempts = 0\n", {"E0110 4:38"}, ""},
      {"too many workers", kSound + "runtime.workers = -1\n", {"E0110 4:19"}, ""},
      {"an empty path", kSound + "accessLog.path = ''\n", {"E0113 4:18"}, "path must not be empty"},
  });
}

TEST_CASE("names keep to the API's patterns") {
  const std::string long_name(254, 'a');
  check_all({
      {"upper case",
       gateway_with("{ name = 'L', port = 1, protocol = 'TCP' }"),
       {"E0113 2:10"},
       "name must consist of lower case letters"},
      {"empty",
       gateway_with("{ name = '', port = 1, protocol = 'TCP' }"),
       {"E0113 2:10"},
       "name must have 1 to 253 characters"},
      {"254",
       gateway_with("{ name = '" + long_name + "', port = 1, protocol = 'TCP' }"),
       {"E0113 2:10"},
       ""},
      {"253",
       gateway_with("{ name = '" + long_name.substr(1) + "', port = 1, protocol = 'TCP' }"),
       {},
       ""},
      {"a dash at the end",
       gateway_with("{ name = 'a-', port = 1, protocol = 'TCP' }"),
       {"E0113 2:10"},
       ""},
      {"dots", gateway_with("{ name = 'a.b-c.1', port = 1, protocol = 'TCP' }"), {}, ""},
      {"an empty part",
       gateway_with("{ name = 'a..b', port = 1, protocol = 'TCP' }"),
       {"E0113 2:10"},
       ""},
      {"protocols of one's own",
       gateway_with("{ name = 'a', port = 1, protocol = 'ex.com/Mine' }"),
       {},
       ""},
      {"no protocol",
       gateway_with("{ name = 'a', port = 1, protocol = 'T C P' }"),
       {"E0113 2:36"},
       ""},
      {"a dot in a namespace",
       kSound + "[[referenceGrants]]\nname = 'x'\nnamespace = 'a.b'\nfrom = [{ group = 'UPPER', "
                "kind = "
                "'1', namespace = 'a' }]\nto = [{ group = '', kind = 'Service' }]\n",
       {"E0113 6:13", "E0113 7:19", "E0113 7:35"},
       ""},
  });
}

TEST_CASE("good values arrive, and defaults where the file is silent") {
  const LoadResult result = load_text(
      "[defaults.listener]\ntimeout.tcp.idleTimeout = '2m'\n"
      "[defaults.service]\nretry.maxAttempts = 7\n"
      "[[gateways]]\nname = 'g'\nnamespace = 'n'\ncreationTimestamp = 2024-01-01T01:00:00+01:00\n"
      "listeners = [{ name = 'a', port = 1, protocol = 'TCP' },\n"
      "  { name = 'b', port = 2, protocol = 'TCP', timeout.tcp.idleTimeout = '0s', "
      "timeout.tcp.halfCloseTimeout = '1s', connection.bufferLimit = 8192 }]\n"
      "[[tcpRoutes]]\nname = 'r'\nnamespace = 'n'\ncreationTimestamp = "
      "'2023-12-31T19:00:00.25-05:00'\n"
      "parentRefs = [{ name = 'g', sectionName = 'a' }]\n"
      "rules = [{ backendRefs = [{ name = 's', port = 1 }] }]\n"
      "[[services]]\nname = 's'\nnamespace = 'n'\nports = [{ port = 1 }]\n"
      "endpoints = [{ path = '@abstract', weight = 0 }]\n",
      "f");
  INFO(printed(result.faults));
  REQUIRE(result.config);
  const Gateway& gateway = result.config->gateways.at(0);
  CHECK(to_string(gateway.name) == "n/g");
  CHECK(gateway.creation_time_ms == 1704067200000);
  CHECK(gateway.where.line == 5);
  CHECK(gateway.listeners[0].policy.idle_timeout_ms == 120'000);
  CHECK(gateway.listeners[0].policy.half_close_timeout_ms == 300'000);
  CHECK(gateway.listeners[0].policy.buffer_limit_bytes == 65536);
  CHECK(gateway.listeners[1].policy.idle_timeout_ms == 0);
  CHECK(gateway.listeners[1].policy.half_close_timeout_ms == 1000);
  CHECK(gateway.listeners[1].policy.buffer_limit_bytes == 8192);
  CHECK(gateway.listeners[1].where == SourcePosition{0, 10, 3});
  const TCPRoute& route = result.config->tcp_routes.at(0);
  CHECK(route.creation_time_ms == 1704067200250);
  CHECK(route.parent_refs[0].name == ObjectName{"n", "g"});
  CHECK(route.parent_refs[0].section_name == "a");
  CHECK_FALSE(route.parent_refs[0].port);
  CHECK(route.rules[0].backend_refs[0].name == ObjectName{"n", "s"});
  CHECK(route.rules[0].backend_refs[0].weight == 1);
  const Service& service = result.config->services.at(0);
  CHECK(service.ports[0].target_port == 1);
  CHECK(service.endpoints[0].path == "@abstract");
  CHECK_FALSE(service.endpoints[0].usable());
  CHECK(service.policy.retry_max_attempts == 7);
  CHECK(service.policy.connect_timeout_ms == 5000);
  CHECK(result.config->runtime.shutdown_timeout_ms == 30'000);
  CHECK(result.config->access_log.path == "stderr");
}

TEST_CASE("files that cannot be read are a fault of the file") {
  CHECK(printed(load_file("/nonexistent/sluice.toml").faults) ==
        "/nonexistent/sluice.toml: error[E0102]: cannot be read: No such file or directory\n");
  CHECK(printed(load_file("/").faults) == "/: error[E0102]: cannot be read: Is a directory\n");
  CHECK(load_file("/dev/null").faults.at(0).code == FaultCode::kServesNothing);
  CHECK(load_file("/dev/zero").faults.at(0).code == FaultCode::kTooLarge);
  std::string path = "/tmp/sluice-load-test-XXXXXX";
  const int fd = ::mkstemp(path.data());
  REQUIRE(fd >= 0);
  ::close(fd);
  std::ofstream(path) << kSound;
  const LoadResult result = load_file(path);
  CHECK(result.config);
  CHECK(result.sources.at(0).name == path);
  std::ofstream(path, std::ios::app) << std::string(10'000'000, 'x');
  CHECK(places(load_file(path).faults).size() == 1);
  CHECK(load_file(path).faults.at(0).where.line == 4);
  std::remove(path.c_str());
}

TEST_CASE("a report stays bounded") {
  std::string text = kSound;
  for (int i = 0; i < 3000; ++i) text += fmt::format("unknown{} = 1\n", i);
  const LoadResult result = load_text(text, "f");
  CHECK(result.faults.size() == 1000);
  CHECK(result.faults.back().message.find("(and 2000 more faults are not shown)") !=
        std::string::npos);
}

}  // namespace
}  // namespace lb::config
