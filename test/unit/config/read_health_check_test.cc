// healthCheck: what it takes, and where a wrong value is reported.
#include "test/unit/config/service_text.h"

namespace lb::config {
namespace {

ActiveCheck load_active(std::string_view keys) {
  const ServicePolicy policy = load_policy(fmt::format("healthCheck.active = {{ {} }}", keys));
  REQUIRE(policy.active_check);
  return *policy.active_check;
}

// A fault in a check's keys, which begin at column 24 of line 7.
PolicyCase active_case(std::string_view keys, std::vector<std::string> expected,
                       std::string_view says) {
  return {fmt::format("healthCheck.active = {{ {} }}", keys), std::move(expected), says};
}

TEST_CASE("without healthCheck only passive checks are made") {
  const ServicePolicy policy = load_policy("");
  CHECK_FALSE(policy.active_check);
  CHECK(policy.passive_check == PassiveCheck{5, 30'000, 300'000, 50});
  CHECK(policy.panic_threshold_percent == 0);
}

TEST_CASE("an empty table is a TCP check with the defaults") {
  const ActiveCheck check = load_active("");
  CHECK(check == ActiveCheck());
  CHECK(check.type == CheckType::kTCP);
  CHECK(check.interval_ms == 3'000);
  CHECK(check.timeout_ms == 1'000);
  CHECK(check.unhealthy_threshold == 3);
  CHECK(check.healthy_threshold == 1);
  CHECK(check.initial == InitialHealth::kUnhealthy);
}

TEST_CASE("what is common to all active checks") {
  const ActiveCheck check = load_active(
      "type = 'TCP', interval = '10ms', timeout = '1ms', unhealthyThreshold = 1000, "
      "healthyThreshold = 2, port = 65535, initialState = 'Healthy'");
  CHECK(check.interval_ms == 10);
  CHECK(check.timeout_ms == 1);
  CHECK(check.unhealthy_threshold == 1000);
  CHECK(check.healthy_threshold == 2);
  CHECK(check.port == 65535);
  CHECK(check.initial == InitialHealth::kHealthy);
  check_policies({
      active_case("type = 'Tcp'", {"E0109 7:31"}, "did you mean \"TCP\"?"),
      active_case("interval = '9ms'", {"E0110 7:35"}, "interval must be at least 10ms"),
      active_case("interval = 3", {"E0106 7:35"}, "did you mean \"3s\"?"),
      active_case("timeout = '0s'", {"E0110 7:34"}, "timeout must be at least 1ms"),
      active_case("unhealthyThreshold = 0", {"E0110 7:45"}, "must be within 1..1000, but is 0"),
      active_case("healthyThreshold = 1001", {"E0110 7:43"}, ""),
      active_case("port = 0", {"E0110 7:31"}, "port must be within 1..65535"),
      active_case("initialState = 'Up'", {"E0109 7:39"},
                  "initialState must be \"Unhealthy\" or \"Healthy\", but is \"Up\""),
      active_case("intervall = '1s'", {"E0105 7:24"}, "did you mean \"interval\"?"),
      {"healthCheck.active = true", {"E0106 7:22"}, "active must be a table, but is a boolean"},
      {"healthCheck.Active = {}", {"E0105 7:13"}, "did you mean \"active\"?"},
  });
}

TEST_CASE("a TCP check sends and expects text or bytes") {
  const ActiveCheck plain = load_active(R"(tcp = { send = "PING\r\n", receive = ["+PONG"] })");
  CHECK(plain.tcp == TCPCheck{"PING\r\n", {"+PONG"}});
  const ActiveCheck one = load_active("tcp.receive = 'SSH-2.0'");
  CHECK(one.tcp == TCPCheck{"", {"SSH-2.0"}});
  const std::string bytes("\x00\x0a\xff", 3);
  const ActiveCheck tables = load_active(
      "tcp = { send = { hex = '00 0aFF' }, receive = [{ text = 'a' }, { hex = '000aff' }, "
      "{ type = 'Text', text = 'b' }, { type = 'Binary', binary = 'AAr/' }, 'c'] }");
  CHECK(tables.tcp == TCPCheck{bytes, {"a", bytes, "b", bytes, "c"}});
  CHECK(load_active("tcp.receive = { type = 'Text', text = 'd' }").tcp.receive ==
        std::vector<std::string>{"d"});
  CHECK(load_active("tcp.send = ''").tcp == TCPCheck());
  CHECK(load_active("tcp.send = '" + std::string(4096, 'x') + "'").tcp.send.size() == 4096);
}

TEST_CASE("a wrong payload is refused at its place") {
  const std::string longest(4097, 'x');
  check_policies({
      active_case("tcp.send = 5", {"E0106 7:35"},
                  "send must be a string, or a table with text, hex or binary, but this is an "
                  "integer"),
      active_case("tcp.receive = ['a', 5]", {"E0106 7:44"},
                  "every entry of receive must be a string, or a table"),
      active_case("tcp.receive = ['']", {"E0119 7:39"}, "an entry of receive must not be empty"),
      active_case("tcp.receive = [{ hex = '' }]", {"E0119 7:39"}, "must not be empty"),
      active_case("tcp.send.hex = '0a 0g'", {"E0119 7:39"},
                  "hex must be pairs of hexadecimal digits such as \"0a 0b\", but character 5 is "
                  "\"g\""),
      active_case("tcp.send.hex = '0x0a'", {"E0119 7:39"}, "character 2 is \"x\""),
      active_case("tcp.send.hex = '0 a'", {"E0119 7:39"}, "character 2 is \" \""),
      active_case("tcp.send.hex = '0a0'", {"E0119 7:39"}, "but ends within a pair"),
      active_case("tcp.send.binary = 'AAr'", {}, ""),
      active_case("tcp.send.binary = 'A=r'", {"E0119 7:42"},
                  "binary must be base64 (hex takes hexadecimal)"),
      active_case("tcp.send = {}", {"E0107 7:35"}, "one of text, hex and binary must be specified"),
      active_case("tcp.send = { text = 'a', hex = '0a' }", {"E0215 7:35"},
                  "only one of text, hex and binary may be specified"),
      active_case("tcp.send = { type = 'Text', hex = '0a' }", {"E0215 7:44"}, "type = \"Text\""),
      active_case("tcp.send = { type = 'Binary', text = 'a' }", {"E0215 7:44"}, "\"Binary\" goes"),
      active_case("tcp.send = { type = 'text', text = 'a' }", {"E0109 7:44"}, "\"Text\"?"),
      active_case("tcp.send = '" + longest + "'", {"E0119 7:35"},
                  "send takes at most 4096 bytes, but this has 4097"),
      active_case("tcp.receive = ['" + longest + "']", {"E0119 7:39"}, "receive takes at most"),
      active_case("tcp.receive = ['1','2','3','4','5','6','7','8','9','10','11','12','13','14',"
                  "'15','16','17']",
                  {"E0114 7:38"}, "receive must have at most 16 entries, but has 17"),
  });
}

TEST_CASE("an HTTP check asks for a path and expects statuses") {
  const ActiveCheck silent = load_active("type = 'HTTP'");
  CHECK(silent.type == CheckType::kHTTP);
  CHECK(silent.http == HTTPCheck{"/", "", {{200, 200}}});
  const ActiveCheck check = load_active(
      "type = 'HTTP', http = { path = '/live?a=b', host = 'db.example:80', expectedStatuses = "
      "[204, '200', '300-399', { start = 401, end = 403 }] }");
  CHECK(check.http ==
        HTTPCheck{"/live?a=b", "db.example:80", {{204, 204}, {200, 200}, {300, 399}, {401, 403}}});
  CHECK(load_active("type = 'HTTP', http.expectedStatuses = '100-599'").http.expected ==
        std::vector<StatusRange>{{100, 599}});
  const auto http = [](std::string_view key, std::vector<std::string> expected,
                       std::string_view says) {
    return active_case(fmt::format("type = 'HTTP', http.{}", key), std::move(expected), says);
  };
  check_policies({
      http("path = 'live'", {"E0113 7:51"}, "path must begin with '/'"),
      http("path = ''", {"E0113 7:51"}, ""),
      http("path = '/a b'", {"E0113 7:51"}, ""),
      http(R"(path = "/\r\nX: y")", {"E0113 7:51"}, ""),
      http("host = 'a b'", {"E0113 7:51"}, "host must be a host"),
      http("host = 'a/b'", {"E0113 7:51"}, ""),
      http("expectedStatuses = []", {"E0114 7:63"}, "must have 1 to 16 entries, but has 0"),
      http("expectedStatuses = [99]", {"E0110 7:64"},
           "every entry of expectedStatuses must be a status such as 200 or a range such as "
           "\"200-299\", within 100..599"),
      http("expectedStatuses = [200, 600]", {"E0110 7:69"}, ""),
      http("expectedStatuses = ['2xx']", {"E0110 7:64"}, ""),
      http("expectedStatuses = ['299-200']", {"E0110 7:64"}, ""),
      http("expectedStatuses = ['200-']", {"E0110 7:64"}, ""),
      http("expectedStatuses = [true]", {"E0106 7:64"}, "but this is a boolean"),
      http("expectedStatuses = [{ start = 200 }]", {"E0107 7:64"}, "end is missing"),
      http("expectedStatuses = [{ start = 300, end = 200 }]", {"E0110 7:64"}, ""),
  });
}

TEST_CASE("a TLS check offers a name and protocols") {
  const ActiveCheck check =
      load_active("type = 'TLS', tls = { serverName = 'db.example', alpn = ['h2', 'http/1.1'] }");
  CHECK(check.tls == TLSCheck{"db.example", {"h2", "http/1.1"}});
  check_policies({
      active_case("type = 'TLS', tls.serverName = '10.0.0.1'", {"E0113 7:55"},
                  "serverName must be a DNS name such as db.example.com, not an IP"),
      active_case("type = 'TLS', tls.alpn = ['']", {"E0113 7:50"}, "must have 1 to 255 bytes"),
      active_case("type = 'TLS', tls.alpn = 'h2'", {"E0106 7:49"}, "an array of strings"),
  });
}

TEST_CASE("passive checks and the panic threshold take their bounds") {
  const ServicePolicy policy = load_policy(
      "healthCheck.passive = { consecutiveConnectFailures = 0, baseEjectionTime = '1s', "
      "maxEjectionTime = '1s', maxEjectionPercent = 100 }\nhealthCheck.panicThreshold = 100");
  CHECK(policy.passive_check == PassiveCheck{0, 1000, 1000, 100});
  CHECK(policy.panic_threshold_percent == 100);
  // The default of the longest ejection is no reason to refuse a longer base.
  CHECK(load_policy("healthCheck.passive.baseEjectionTime = '1h'").passive_check ==
        PassiveCheck{5, 3'600'000, 3'600'000, 50});
  const std::string passive = "healthCheck.passive.";
  check_policies({
      {passive + "consecutiveConnectFailures = -1", {"E0110 7:50"}, "within 0..1000"},
      {passive + "baseEjectionTime = '0s'", {"E0110 7:40"}, "must be at least 1ms"},
      {passive + "maxEjectionTime = '29s'",
       {"E0110 7:39"},
       "maxEjectionTime must be at least as long as baseEjectionTime"},
      {passive + "maxEjectionPercent = 101", {"E0110 7:42"}, "within 0..100, but is 101"},
      {passive + "maxEjectionPercent = -1", {"E0110 7:42"}, ""},
      {"healthCheck.panicThreshold = 101", {"E0110 7:30"}, "panicThreshold must be within 0..100"},
      {"healthCheck.panicThreshold = '50%'", {"E0106 7:30"}, "must be an integer"},
  });
}

TEST_CASE("keys of a check that have no effect, and values that hardly go together, are named") {
  check_policies({
      active_case("http.path = '/'", {"W0322 7:24"}, "http has no effect but with type HTTP"),
      active_case("type = 'HTTP', tcp.send = 'a'", {"W0322 7:39"}, "tcp has no effect but with"),
      active_case("tls.alpn = ['h2']", {"W0322 7:24"}, "tls has no effect but with type TLS"),
      active_case("timeout = '4s'", {"W0323 7:34"}, "timeout is longer than the interval"),
      active_case("interval = '1s', timeout = '1s'", {}, ""),
      active_case("interval = '999ms'", {"W0323 7:35"}, "interval is shorter than the timeout"),
  });
  const std::string port = "healthCheck.active.port = 80";
  check_texts({
      {"only paths",
       service_text(port, "{ path = '/a' }, { path = '/b' }"),
       {"W0322 7:27"},
       "port has no effect on unix sockets"},
      {"one path", service_text(port, "{ path = '/a' }, { address = '10.0.0.1' }"), {}, ""},
      {"no endpoint", service_text(port, ""), {}, ""},
  });
}

TEST_CASE("a service changes single keys of the default check, or drops it") {
  const std::string defaults =
      "[defaults.service.healthCheck]\npanicThreshold = 10\npassive.maxEjectionPercent = 20\n"
      "[defaults.service.healthCheck.active]\ntype = 'HTTP'\ninterval = '7s'\n"
      "http = { path = '/up', expectedStatuses = [204, 200] }\ntcp.send = 'no warning here'\n";
  const ServicePolicy same = load_policy(defaults);
  REQUIRE(same.active_check);
  CHECK(same.active_check->interval_ms == 7000);
  CHECK(same.panic_threshold_percent == 10);
  const ServicePolicy changed = load_policy(
      "healthCheck.active = { timeout = '2s', http.expectedStatuses = [201] }\n"
      "healthCheck.passive.consecutiveConnectFailures = 1\n" +
      defaults);
  REQUIRE(changed.active_check);
  CHECK(changed.active_check->type == CheckType::kHTTP);
  CHECK(changed.active_check->interval_ms == 7000);
  CHECK(changed.active_check->timeout_ms == 2000);
  CHECK(changed.active_check->http == HTTPCheck{"/up", "", {{201, 201}}});
  CHECK(changed.passive_check == PassiveCheck{1, 30'000, 300'000, 20});
  CHECK_FALSE(load_policy("healthCheck.active.type = 'None'\n" + defaults).active_check);
}

}  // namespace
}  // namespace lb::config
