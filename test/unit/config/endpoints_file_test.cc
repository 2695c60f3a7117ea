// The text of an endpoints file: what each line comes to, and where each fault is.
#include "lb/config/read/endpoints_file.h"

#include <string>
#include <utility>
#include <vector>

#include "test/support/catch.h"
#include "test/unit/config/config_text.h"

namespace lb::config {
namespace {

using Strings = std::vector<std::string>;

struct Parsed {
  std::vector<Endpoint> endpoints;
  std::vector<Fault> faults;
};

Parsed parse(const std::string& text) {
  Parsed parsed;
  FaultList faults;
  parse_endpoints(text, 0, parsed.endpoints, faults);
  parsed.faults = std::move(faults).take();
  locate(parsed.faults, {{"e", text}});
  return parsed;
}

// "10.0.0.1 80 *2 @3:1": host, port, weight, place.
Strings shown(const std::vector<Endpoint>& endpoints) {
  Strings out;
  for (const Endpoint& endpoint : endpoints) {
    out.push_back(fmt::format("{}{} {} *{} @{}:{}", endpoint.address, endpoint.path, endpoint.port,
                              endpoint.weight, endpoint.where.line, endpoint.where.column));
  }
  return out;
}

TEST_CASE("an endpoint a line, with or without port and weight") {
  const Parsed parsed = parse(
      "# first\n"
      "10.0.0.1\n"
      "\n"
      "  10.0.0.2:81\tweight=7  # why\n"
      "2001:db8::1\r\n"
      "[2001:db8::2]:82 weight=0\n"
      "[::1]\n"
      "\t \r\n"
      "/run/a.sock weight=1000000\n"
      "@abstract#1 # no comment begins within a word\n"
      "10.0.0.3:65535");
  INFO(printed(parsed.faults));
  CHECK(parsed.faults.empty());
  CHECK(shown(parsed.endpoints) == Strings{"10.0.0.1 0 *1 @2:1", "10.0.0.2 81 *7 @4:3",
                                           "2001:db8::1 0 *1 @5:1", "2001:db8::2 82 *0 @6:1",
                                           "::1 0 *1 @7:1", "/run/a.sock 0 *1000000 @9:1",
                                           "@abstract#1 0 *1 @10:1", "10.0.0.3 65535 *1 @11:1"});
  const Parsed options =
      parse("10.0.0.1 maxConnections=9 priority=2\n10.0.0.2 priority=127 weight=3");
  REQUIRE(options.endpoints.size() == 2);
  CHECK(options.endpoints[0].max_connections == 9);
  CHECK(options.endpoints[0].priority == 2);
  CHECK(options.endpoints[0].weight == 1);
  CHECK(options.endpoints[1].max_connections == 0);
  CHECK(options.endpoints[1].priority == 127);
  CHECK(options.endpoints[1].weight == 3);
  CHECK(parse("").endpoints.empty());
  CHECK(parse("# nobody").faults.empty());
}

TEST_CASE("every fault has its place, its reason and, where it is plain, what was meant") {
  const std::vector<FaultCase> cases = {
      {"a name", "web-1:80", {"E0116 1:1"}, "but this is \"web-1:80\""},
      {"a prefix", "\n 10.0.0.1/8", {"E0116 2:2"}, "did you mean \"10.0.0.1\"?"},
      {"a URL", "tcp://10.0.0.1:80/", {"E0116 1:1"}, "did you mean \"10.0.0.1:80\"?"},
      {"a list", "10.0.0.1:80,10.0.0.2:80", {"E0116 1:1"}, "did you mean \"10.0.0.1:80\"?"},
      {"IPv4 in brackets", "[10.0.0.1]:80", {"E0116 1:1"}, "did you mean \"10.0.0.1:80\"?"},
      {"IPv6 without",
       "1:2:3:4:5:6:7:8:80",
       {"E0116 1:1"},
       "did you mean \"[1:2:3:4:5:6:7:8]:80\""},
      {"no bracket", "[::1", {"E0116 1:1"}, "did you mean \"::1\"?"},
      {"no colon", "[::1]80", {"E0116 1:1"}, "but this is \"[::1]80\""},
      {"empty brackets", "[]:80", {"E0116 1:1"}, "but this is \"[]:80\""},
      {"the weight first", "weight=2 10.0.0.1", {"E0116 1:1"}, "but this is \"weight=2\""},
      {"no text", "10.0.0.1\n\xff\x1b", {"E0116 2:1"}, "but this is \"\\xff\\x1b\""},
      {"port 0", "10.0.0.1:0", {"E0110 1:10"}, "port must be within 1..65535, but is \"0\""},
      {"a large port", "[::1]:65536", {"E0110 1:7"}, "but is \"65536\""},
      {"no port", "10.0.0.1: weight=1", {"E0110 1:10"}, "but is \"\""},
      {"a port's name", "10.0.0.1:http", {"E0110 1:10"}, "but is \"http\""},
      {"a signed port", "10.0.0.1:+80", {"E0110 1:10"}, "but is \"+80\""},
      {"a long path", "/" + std::string(200, 'p'), {"E0117 1:1"}, "at most 107 bytes"},
      {"a wrong key", "10.0.0.1 wieght=2", {"E0105 1:10"}, "did you mean \"weight\"?"},
      {"no key", "10.0.0.1 5", {"E0101 1:10"}, "did you mean \"weight=5\"?"},
      {"two on a line", "10.0.0.1 10.0.0.2", {"E0101 1:10"}, "but here is \"10.0.0.2\""},
      {"blanks", "10.0.0.1 weight = 5", {"E0101 1:10"}, "but here is \"weight\""},
      {"a negative weight", "10.0.0.1 weight=-1", {"E0110 1:17"}, "within 0..1000000"},
      {"a large weight", "10.0.0.1 weight=1000001", {"E0110 1:17"}, "but is \"1000001\""},
      {"a huge weight", "::1 weight=99999999999999999999", {"E0110 1:12"}, "within 0..1000000"},
      {"no weight", "10.0.0.1 weight=", {"E0110 1:17"}, "but is \"\""},
      {"a large priority", "::1 priority=128", {"E0110 1:14"}, "priority must be within 0..127"},
      {"no bound", "::1 maxConnections=-1", {"E0110 1:20"}, "within 0..1073741824"},
      {"a wrong case", "::1 maxconnections=1", {"E0105 1:5"}, "did you mean \"maxConnections\"?"},
      {"two priorities", "::1 priority=1 weight=1 priority=1", {"E0212 1:25"}, "priority is set"},
      {"two weights", "10.0.0.1 weight=1 weight=1", {"E0212 1:19"}, "weight is set twice"},
      {"not a text", std::string("10.0.0.1\n\0\n!", 12), {"E0104 2:1"}, "NUL byte"},
      {"all of them", "a\n10.0.0.1\nb\n", {"E0116 1:1", "E0116 3:1"}, "e:3:1: error[E0116]"},
  };
  for (const FaultCase& each : cases) {
    const Parsed parsed = parse(each.text);
    INFO(each.about << "\n" << printed(parsed.faults));
    CHECK(places(parsed.faults) == each.expected);
    CHECK(printed(parsed.faults).find(each.says) != std::string::npos);
  }
}

TEST_CASE("columns count characters, and what is shown of a word is bounded") {
  CHECK(places(parse("@\xc3\xa4\xc3\xb6 x").faults) == Strings{"E0101 1:5"});
  const Parsed parsed = parse(std::string(100'000, 'x'));
  REQUIRE(parsed.faults.size() == 1);
  CHECK(parsed.faults.front().message.size() < 300);
}

}  // namespace
}  // namespace lb::config
