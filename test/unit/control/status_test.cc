// Conditions as JSON in the API's shape, and as lines for a terminal.
#include "lb/control/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "test/support/catch.h"

namespace lb::control {
namespace {

using nlohmann::json;

// One gateway on two addresses with a good and a bad listener, one route with a good and a bad
// parent.
constexpr std::string_view kText =
    "[[gateways]]\nname = 'g'\naddresses = [{ value = '127.0.0.1' }, { value = '::1' }]\n"
    "listeners = [{ name = 'udp', port = 80, protocol = 'UDP' },\n"
    "{ name = 'l', port = 80, protocol = 'TCP' }, { name = 'm', port = 81, protocol = 'TCP' }]\n"
    "[[tcpRoutes]]\nname = 'r'\nnamespace = 'n'\n"
    "parentRefs = [{ name = 'g', namespace = 'default', sectionName = 'l', port = 80 }]\n"
    "rules = [{ backendRefs = [{ name = 's', port = 1 }] }]\n"
    "[[tcpRoutes]]\nname = 'lonely'\nrules = [{ backendRefs = [{ name = \"\\u001b[2J\", port = 1 "
    "}] }]\n";

struct Loaded {
  config::LoadResult result;
  config::Attachment attachment;

  explicit Loaded(std::string_view text) : result(config::load_text(text, "f")) {
    REQUIRE(result.config);
    attachment = config::attach(*result.config);
  }
  config::Status status(const std::vector<config::BindOutcome>* bound = nullptr) const {
    return config::make_status({*result.config, attachment, bound, 3, 1714564800'000});
  }
};

TEST_CASE("JSON has the API's shape") {
  const Loaded loaded(kText);
  const std::vector<config::BindOutcome> bound = {{{0, 1}, "127.0.0.1", 0},
                                                  {{0, 1}, "::1", EADDRNOTAVAIL}};
  const json status = status_json(loaded.status(&bound));
  REQUIRE(status["gateways"].size() == 1);
  const json& gateway = status["gateways"][0];
  CHECK(gateway["namespace"] == "default");
  CHECK(gateway["name"] == "g");
  CHECK(gateway["addresses"] == json::parse(R"([{"type": "IPAddress", "value": "127.0.0.1"}])"));
  CHECK(gateway["conditions"][1] == json::parse(R"({
    "type": "Programmed", "status": "False", "reason": "AddressNotUsable",
    "message": "this host does not have \"::1\": assign it, or take it out",
    "observedGeneration": 3, "lastTransitionTime": "2024-05-01T12:00:00Z"})"));
  REQUIRE(gateway["listeners"].size() == 3);
  const json& udp = gateway["listeners"][0];
  CHECK(udp["name"] == "udp");
  CHECK(udp["supportedKinds"] == json::array());
  CHECK(udp["conditions"][0]["reason"] == "UnsupportedProtocol");
  const json& listener = gateway["listeners"][1];
  CHECK(listener["attachedRoutes"] == 0);
  CHECK(listener["supportedKinds"] ==
        json::parse(R"([{"group": "gateway.networking.k8s.io", "kind": "TCPRoute"}])"));
  REQUIRE(status["tcpRoutes"].size() == 2);
  const json& route = status["tcpRoutes"][0];
  CHECK(route["namespace"] == "n");
  CHECK(route["name"] == "r");
  CHECK(route["parents"][0]["parentRef"] ==
        json::parse(R"({"group": "gateway.networking.k8s.io", "kind": "Gateway",
                        "namespace": "default", "name": "g", "sectionName": "l", "port": 80})"));
  CHECK(route["parents"][0]["conditions"][0]["reason"] == "NotAllowedByListeners");
  CHECK(status["tcpRoutes"][1]["parents"] == json::array());
  CHECK(status["tlsRoutes"] == json::array());
  CHECK(status_json({}) == json::parse(R"({"gateways": [], "tcpRoutes": [], "tlsRoutes": []})"));
}

TEST_CASE("lines have one row for what is well, and one for each thing that is not") {
  const Loaded loaded(
      "[[gateways]]\nname = 'g'\nlisteners = [{ name = 'l', port = 80, protocol = 'TCP' },\n"
      "{ name = 'tls', port = 81, protocol = 'UDP' }]\n"
      "[[tcpRoutes]]\nname = 'r'\nparentRefs = [{ name = 'g', sectionName = 'l' }, { name = "
      "'none', port = 5 }]\n"
      "rules = [{ backendRefs = [{ name = 's', port = 1 }] }]\n"
      "[[services]]\nname = 's'\nports = [{ port = 1 }]\nendpoints = [{ path = '@s' }]\n");
  const std::string lines = "\n" + condition_lines(loaded.status());
  INFO(lines);
  const auto has = [&](const std::string& object, const std::string& condition,
                       const std::string& reason, const std::string& message) {
    const std::string row =
        fmt::format("\n{:<25}  {:<42}  {:<19}  {}", object, condition, reason, message);
    return lines.find(row.substr(0, row.find_last_not_of(' ') + 1) + "\n") != std::string::npos;
  };
  CHECK(has("OBJECT", "CONDITION", "REASON", "MESSAGE"));
  CHECK(has("gateway g", "Programmed=Unknown", "", ""));
  CHECK(has("", "Accepted=True", "ListenersNotValid",
            "1 of 2 listeners is not valid: \"tls\"; see their conditions"));
  CHECK(has("  listener l (1 route)", "Accepted, Programmed=Unknown, ResolvedRefs", "", ""));
  CHECK(has("  listener tls (0 routes)", "ResolvedRefs", "", ""));
  CHECK(has("", "Accepted=False", "UnsupportedProtocol",
            "protocol \"UDP\" is not supported: listener \"tls\" is not served; TCP is the only "
            "protocol that is"));
  CHECK(has("", "Programmed=False", "Invalid", "it is not served: see Accepted"));
  CHECK(has("tcpRoute r", "", "", ""));
  CHECK(has("  -> g l", "Accepted, ResolvedRefs, BackendsAvailable", "", ""));
  CHECK(has("  -> none :5", "ResolvedRefs, BackendsAvailable", "", ""));
  CHECK(has("", "Accepted=False", "NoMatchingParent", "there is no gateway \"none\""));
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 12);
}

TEST_CASE("what a file contains cannot steer the terminal") {
  const Loaded loaded(
      "[[gateways]]\nname = 'g'\nlisteners = [{ name = 'l', port = 80, protocol = 'TCP' }]\n"
      "[[tcpRoutes]]\nname = 'r'\nparentRefs = [{ name = \"\\u001b[2J\" }]\n"
      "rules = [{ backendRefs = [{ name = \"\\u001b[3J\", port = 1 }] }]\n");
  const std::string lines = condition_lines(loaded.status());
  CHECK(lines.find('\x1b') == std::string::npos);
  CHECK(lines.find("-> \\x1b[2J") != std::string::npos);
  CHECK(lines.find("there is no service \"\\x1b[3J\"") != std::string::npos);
  CHECK(status_json(loaded.status()).dump().find("u001b") == std::string::npos);
}

TEST_CASE("what binding said finds its listeners, over those that are not served") {
  const Loaded loaded(kText);
  const OpenAddresses open = {{"[::1]:81", 1}, {"127.0.0.1:80", 0}, {"127.0.0.1:81", 1}};
  const std::vector<BindFailure> failures = {{0, "[::1]:80", EADDRINUSE}};
  const std::vector<config::BindOutcome> outcomes =
      bind_outcomes(loaded.attachment, open, failures);
  REQUIRE(outcomes.size() == 4);
  const auto is = [](const config::BindOutcome& outcome, size_t listener,
                     const std::string& address, int error) {
    return outcome.listener == config::ListenerIndex{0, listener} && outcome.address == address &&
           outcome.error == error;
  };
  CHECK(is(outcomes[0], 1, "127.0.0.1", 0));
  CHECK(is(outcomes[1], 1, "::1", EADDRINUSE));
  CHECK(is(outcomes[2], 2, "127.0.0.1", 0));
  CHECK(is(outcomes[3], 2, "::1", 0));
}

TEST_CASE("what is deployed has the status of its generation, and its times last") {
  balance::EndpointRegistry registry;
  absl::StatusOr<Deployed> deployed = compile_deployed(config::load_text(kText, "f"), registry);
  REQUIRE(deployed.ok());
  deployed->open = {{"127.0.0.1:80", 0}};
  deployed->generation = 1;
  const config::Status first = status_of(*deployed, {}, 1000);
  CHECK(first.generation == 1);
  CHECK(first.gateways[0].addresses == std::vector<std::string>{"127.0.0.1"});
  deployed->generation = 2;
  const config::Status second = status_of(*deployed, first, 2000);
  CHECK(second.gateways[0].conditions[0].observed_generation == 2);
  CHECK(second.gateways[0].conditions[0].last_transition_ms == 1000);
}

TEST_CASE("faults as JSON") {
  const config::LoadResult result = config::load_text("gatewais = 1\n", "f");
  CHECK(faults_json(result.faults)[0] == json::parse(R"({
    "code": "E0105", "severity": "error", "file": "f", "line": 1, "column": 1, "reason": "",
    "message": "unknown key \"gatewais\" at the top level", "suggestion": "gateways"})"));
}

}  // namespace
}  // namespace lb::control
