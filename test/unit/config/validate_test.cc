// Class A: everything that the API would refuse at admission, one check a case, by its code and
// place.
#include "lb/config/read/validate.h"

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

// `count` entries, each on a line of its own, from line 2 on.
std::string repeat(std::string_view entry, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += fmt::format(fmt::runtime(entry), i + 1) + ",\n";
  return out;
}

constexpr std::string_view kListener = "{{ name = 'l{0}', port = {0}, protocol = 'TCP' }}";

const std::string kGateway =
    gateway_with("{ name = 'l', port = 80, protocol = 'TCP' }");  // 3 lines

// The given parts of a route, each at the beginning of a line: the parents from 5, the rules from 8
// when there is one line of parents.
std::string route_with(std::string_view parent_refs, std::string_view rules) {
  return fmt::format("{}[[tcpRoutes]]\nname = 'r'\nparentRefs = [\n{}\n]\nrules = [\n{}\n]\n",
                     "gateways = [{ name = 'g', listeners = [{ name = 'l', port = 80, protocol = "
                     "'TCP' }] }]\n",
                     parent_refs, rules);
}

constexpr std::string_view kRule = "{ backendRefs = [{ name = 's', port = 1 }] }";

// Ports are in line 4, endpoints from line 6.
std::string service_with(std::string_view ports, std::string_view endpoints) {
  return fmt::format(
      "gateways = [{{ name = 'g', listeners = [{{ name = 'l', port = 80, protocol = "
      "'TCP' }}] }}]\n[[services]]\nname = 's'\nports = [{}]\nendpoints = [\n{}\n]\n",
      ports, endpoints);
}

TEST_CASE("required keys") {
  check_all({
      {"gateway", "[[gateways]]\n", {"E0107 1:1", "E0107 1:1"}, "listeners is missing"},
      {"listener",
       gateway_with("{}"),
       {"E0107 2:1", "E0107 2:1", "E0107 2:1"},
       "protocol is missing"},
      {"route", kGateway + "[[tcpRoutes]]\nname = 'r'\n", {"E0107 4:1"}, "rules is missing"},
      {"service", kGateway + "[[services]]\nname = 's'\n", {"E0107 4:1"}, "ports is missing"},
      {"parentRef", route_with("{ port = 80 }", kRule), {"E0107 5:1"}, "name is missing"},
      {"grant",
       kGateway + "[[referenceGrants]]\nname = 'x'\nfrom = [{}]\nto = [{}]\n",
       {"E0107 6:9", "E0107 6:9", "E0107 6:9", "E0107 7:7", "E0107 7:7"},
       "namespace is missing"},
  });
}

TEST_CASE("duplicate objects") {
  check_all({
      {"gateway",
       kGateway + "[[services]]\nname = 's'\nports = [{ port = 1 }]\n"
                  "[[services]]\nname = 's'\nports = [{ port = 1 }]\n",
       {"E0202 7:1"},
       "duplicate service \"s\", first defined at line 4"},
      {"another namespace",
       kGateway + "[[services]]\nname = 's'\nports = [{ port = 1 }]\n[[services]]\nname = "
                  "'s'\nnamespace = 'n'\nports = [{ port = 1 }]\n",
       {},
       ""},
      {"the default namespace, said and unsaid",
       kGateway + "[[services]]\nname = 's'\nports = [{ port = 1 }]\n[[services]]\nname = "
                  "'s'\nnamespace = 'default'\nports = [{ port = 1 }]\n",
       {"E0202 7:1"},
       ""},
  });
  const std::string gateway =
      "[[gateways]]\nname = 'g'\nlisteners = [{ name = 'l', port = 1, "
      "protocol = 'TCP' }]\n";
  const std::string route =
      "[[tcpRoutes]]\nname = 'r'\nrules = [{ backendRefs = [{ name = 's', port "
      "= 1 }] }]\n";
  check_all({{"gateways", gateway + gateway, {"E0202 4:1"}, "duplicate gateway \"g\""},
             {"routes", gateway + route + route, {"E0202 7:1"}, "duplicate tcpRoute \"r\""}});
}

TEST_CASE("listeners of a gateway") {
  check_all({
      {"none",
       "[[gateways]]\nname = 'g'\nlisteners = []\n",
       {"E0114 3:13"},
       "listeners must have 1 to 64 entries, but has 0"},
      {"64", gateway_with(repeat(kListener, 64)), {}, ""},
      {"65", gateway_with(repeat(kListener, 65)), {"E0114 1:39"}, "but has 65"},
      {"one name twice",
       gateway_with("{ name = 'a', port = 1, protocol = 'TCP' },\n{ name = 'a', port "
                    "= 2, protocol = 'TCP' }"),
       {"E0203 3:1"},
       "Listener name must be unique within the Gateway"},
      {"one port twice",
       gateway_with("{ name = 'a', port = 1, protocol = 'TCP' },\n{ name = 'b', port "
                    "= 1, protocol = 'TCP' }"),
       {"E0204 3:1"},
       "Combination of port, protocol and hostname must be unique for each listener: TCP 1 is also "
       "at line 2"},
      {"one port, two protocols",
       gateway_with(
           "{ name = 'a', port = 1, protocol = 'TCP' },\n{ name = 'b', port = 1, protocol = "
           "'UDP' }"),
       {},
       ""},
      {"hostname",
       gateway_with("{ name = 'a', port = 1, protocol = 'TCP', hostname = 'x' }"),
       {"E0205 2:54"},
       "hostname must not be specified for protocols ['TCP', 'UDP']"},
      {"tls",
       gateway_with("{ name = 'a', port = 1, protocol = 'UDP', tls = {} }"),
       {"E0205 2:49"},
       "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']"},
      {"tls of HTTP",
       gateway_with("{ name = 'a', port = 1, protocol = 'HTTP', tls = {} }"),
       {"E0205 2:50"},
       "tls must not be specified"},
      {"two wrong ports are two faults",
       gateway_with(
           "{ name = 'a', port = 0, protocol = 'TCP' },\n{ name = 'b', port = 0, protocol = "
           "'TCP' }"),
       {"E0110 2:22", "E0110 3:22"},
       ""},
      {"from nowhere",
       gateway_with(
           "{ name = 'a', port = 1, protocol = 'TCP', allowedRoutes.namespaces.from = 'None' }"),
       {"E0109 2:75"},
       "from must be \"Same\", \"All\" or \"Selector\", but is \"None\""},
      {"nine kinds",
       gateway_with("{ name = 'a', port = 1, protocol = 'TCP', allowedRoutes.kinds = [\n" +
                    repeat("{{ kind = 'K{}' }}", 9) + "] }"),
       {"E0114 2:65"},
       "kinds must have at most 8 entries"},
  });
}

TEST_CASE("addresses of a gateway") {
  const auto with = [](std::string_view addresses) {
    return fmt::format(
        "[[gateways]]\nname = 'g'\nlisteners = [{{ name = 'l', port = 1, protocol = "
        "'TCP' }}]\naddresses = [\n{}\n]\n",
        addresses);
  };
  check_all({
      {"16", with(repeat("{{ value = '10.0.0.{}' }}", 16)), {}, ""},
      {"17", with(repeat("{{ value = '10.0.0.{}' }}", 17)), {"E0114 4:13"}, "at most 16 entries"},
      {"twice, in two spellings",
       with("{ value = '::1' },\n{ value = '0:0::0:1' }"),
       {"E0206 6:1"},
       "IPAddress values must be unique"},
      {"a name", with("{ value = 'localhost' }"), {"E0116 5:11"}, "must be an IP address"},
      {"a network", with("{ value = '10.0.0.0/8' }"), {"E0116 5:11"}, "did you mean \"10.0.0.0\"?"},
      {"a network of IPv6",
       with("{ value = '2001:db8::/32' }"),
       {"E0116 5:11"},
       "did you mean \"2001:db8::\"?"},
      {"types that are not served load", with("{ type = 'Hostname', value = 'a' }"), {}, ""},
      {"an empty value loads", with("{ value = '' }"), {}, ""},
  });
}

TEST_CASE("routes") {
  check_all({
      {"no rule",
       route_with("", ""),
       {"E0114 7:9"},
       "rules must have exactly 1 entries, but has 0"},
      {"two rules", route_with("", fmt::format("{0},\n{0}", kRule)), {"E0114 7:9"}, ""},
      {"no backend", route_with("", "{ backendRefs = [] }"), {"E0114 8:17"}, "1 to 16 entries"},
      {"17 backends",
       route_with("", "{ backendRefs = [" + repeat("{{ name = 's{}', port = 1 }}", 17) + "] }"),
       {"E0114 8:17"},
       "but has 17"},
      {"16 backends",
       route_with("", "{ backendRefs = [" + repeat("{{ name = 's{}', port = 1 }}", 16) + "] }"),
       {},
       ""},
      {"weight",
       route_with("", "{ backendRefs = [{ name = 's', port = 1, weight = 1000001 }] }"),
       {"E0110 8:51"},
       "weight must be within 0..1000000"},
      {"a negative one",
       route_with("", "{ backendRefs = [{ name = 's', port = 1, weight = -1 }] }"),
       {"E0110 8:51"},
       ""},
      {"the greatest",
       route_with("", "{ backendRefs = [{ name = 's', port = 1, weight = 1000000 }] }"),
       {},
       ""},
      {"no port",
       route_with("", "{ backendRefs = [{ name = 's' }] }"),
       {"E0208 8:18"},
       "must have port for Service reference"},
      {"a wrong port is one fault",
       route_with("", "{ backendRefs = [{ name = 's', port = 0 }] }"),
       {"E0110 8:39"},
       ""},
      {"another kind needs none",
       route_with("", "{ backendRefs = [{ kind = 'Other', name = 's' }] }"),
       {},
       ""},
      {"33 parents",
       route_with(repeat("{{ name = 'g', port = {} }}", 33), kRule),
       {"E0114 4:14"},
       "parentRefs must have at most 32 entries"},
  });
}

TEST_CASE("parentRefs to one gateway are distinct by sectionName and port") {
  check_all({
      {"by port", route_with("{ name = 'g', port = 1 },\n{ name = 'g', port = 2 }", kRule), {}, ""},
      {"by name",
       route_with("{ name = 'g', sectionName = 'a' },\n{ name = 'g', sectionName = 'b' }", kRule),
       {},
       ""},
      {"by both",
       route_with(
           "{ name = 'g', sectionName = 'a', port = 1 },\n{ name = 'g', sectionName = 'a', port "
           "= 2 }",
           kRule),
       {},
       ""},
      {"two gateways", route_with("{ name = 'g' },\n{ name = 'h' }", kRule), {}, ""},
      {"two namespaces",
       route_with("{ name = 'g' },\n{ name = 'g', namespace = 'n' }", kRule),
       {},
       ""},
      {"neither",
       route_with("{ name = 'g' },\n{ name = 'g' }", kRule),
       {"E0207 6:1"},
       "sectionName or port must be unique when parentRefs includes 2 or more references to the "
       "same parent"},
      {"the same port",
       route_with("{ name = 'g', port = 1 },\n{ name = 'g', port = 1 }", kRule),
       {"E0207 6:1"},
       "must be unique"},
      {"one with, one without",
       route_with("{ name = 'g', port = 1 },\n{ name = 'g' }", kRule),
       {"E0207 6:1"},
       "sectionName or port must be specified when"},
      {"by both, and by port",
       route_with("{ name = 'g', sectionName = 'a', port = 1 },\n{ name = 'g', port = 2 }", kRule),
       {"E0207 6:1"},
       "must be specified"},
      {"mixed",
       route_with("{ name = 'g', port = 1 },\n{ name = 'g', sectionName = 'a' }", kRule),
       {"E0207 6:1"},
       "must be specified"},
  });
}

TEST_CASE("services and endpoints") {
  const std::string one = "{ port = 1, targetPort = 9 }";
  check_all({
      {"no port", service_with("", ""), {"E0114 4:9"}, "ports must have 1 to 100 entries"},
      {"no endpoint loads", service_with(one, ""), {}, ""},
      {"one port twice",
       service_with("{ port = 1 }, { port = 1 }", ""),
       {"E0211 4:24"},
       "duplicate port TCP 1 in service \"s\""},
      {"TCP and UDP", service_with("{ port = 1 }, { port = 1, protocol = 'UDP' }", ""), {}, ""},
      {"one port name twice",
       service_with("{ name = 'a', port = 1 }, { name = 'a', port = 2 }", ""),
       {"E0211 4:36"},
       "duplicate port name \"a\""},
      {"a protocol",
       service_with("{ port = 1, protocol = 'tcp' }", ""),
       {"E0109 4:33"},
       "did you mean \"TCP\"?"},
      {"nothing",
       service_with(one, "{ weight = 1 }"),
       {"E0209 6:1"},
       "one of address, hostname and path must be specified"},
      {"both",
       service_with(one, "{ address = '10.0.0.1', path = '/x' }"),
       {"E0209 6:1"},
       "only one of address, hostname and path may be specified"},
      {"a port of a path",
       service_with(one, "{ path = '/x', port = 1 }"),
       {"E0209 6:1"},
       "port must not be specified beside path"},
      {"a name",
       service_with(one, "{ address = 'db.local' }"),
       {"E0116 6:13"},
       "address must be an IP address, but is \"db.local\""},
      {"a port inside",
       service_with(one, "{ address = '10.0.0.1:80' }"),
       {"E0116 6:13"},
       "did you mean \"10.0.0.1\"?"},
      {"brackets",
       service_with(one, "{ address = '[::1]:80' }"),
       {"E0116 6:13"},
       "did you mean \"::1\"?"},
      {"a relative path",
       service_with(one, "{ path = 'x.sock' }"),
       {"E0117 6:10"},
       "path must be an absolute path"},
      {"a long path",
       service_with(one, "{ path = '/" + std::string(107, 'x') + "' }"),
       {"E0117 6:10"},
       ""},
      {"a path that fits",
       service_with(one, "{ path = '/" + std::string(106, 'x') + "' }"),
       {},
       ""},
      {"weight", service_with(one, "{ address = '10.0.0.1', weight = -1 }"), {"E0110 6:34"}, ""},
      {"ready",
       service_with(one, "{ address = '10.0.0.1', ready = 'no' }"),
       {"E0106 6:33"},
       "ready must be true or false"},
      {"the same twice",
       service_with(one, "{ address = '10.0.0.1' },\n{ address = '10.0.0.1' }"),
       {"E0210 7:1"},
       "duplicate endpoint 10.0.0.1 in service \"s\", first at line 6"},
      {"the target port, said and unsaid",
       service_with(one, "{ address = '10.0.0.1' },\n{ address = '10.0.0.1', port = 9 }"),
       {"E0210 7:1"},
       ""},
      {"two ports",
       service_with(one, "{ address = '10.0.0.1' },\n{ address = '10.0.0.1', port = 8 }"),
       {},
       ""},
      {"two spellings",
       service_with(one, "{ address = '::1' },\n{ address = '0::1' }"),
       {"E0210 7:1"},
       ""},
      {"a path twice", service_with(one, "{ path = '/x' },\n{ path = '/x' }"), {"E0210 7:1"}, ""},
  });
}

TEST_CASE("all faults of a file come in one run, in its order") {
  const LoadResult result = load_text(
      "[[services]]\nname = 's'\nports = [{ port = 0 }]\nendpoints = [{}]\n"
      "[[gateways]]\nname = 'G'\nlisteners = [{ name = 'l', port = 1, protocol = 'TCP' }]\n"
      "[runtime]\nworkerz = 1\n"
      "[[services]]\nname = 's'\nports = [{ port = 1 }]\n",
      "f");
  CHECK(places(result.faults) == std::vector<std::string>{"E0110 3:19", "E0209 4:14", "E0113 6:8",
                                                          "E0105 9:1", "E0202 10:1"});
}

}  // namespace
}  // namespace lb::config
