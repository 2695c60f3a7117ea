// `sluice check`: the conditions that it prints, as text and as JSON, and its exit codes.
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/port_allocator.h"
#include "test/support/sluice_process.h"
#include "test/support/socket.h"
#include "test/support/tcp_backend.h"
#include "test/support/temp_dir.h"

namespace lb::test {
namespace {

using Catch::Contains;
using nlohmann::json;

std::string config_on(uint16_t port) {
  return one_service(port, {ip_address("127.0.0.1", 8080)}).str();
}

CommandResult check(const std::string& path, std::vector<std::string> flags = {}) {
  flags.insert(flags.begin(), {"check", "--config", path});
  return run_sluice(flags);
}

}  // namespace

TEST_CASE("check prints a condition for every object") {
  const TempDir dir;
  const CommandResult good = check(dir.write("good.toml", config_on(allocate_port())));
  INFO(good.out << good.err);
  CHECK(good.code == 0);
  CHECK_THAT(good.out, Contains("gateway ") && Contains("listener ") && Contains("tcpRoute "));
  CHECK_THAT(good.out, Contains("Accepted, Programmed=Unknown"));
  CHECK_THAT(good.out, !Contains("False"));
}

TEST_CASE("check --json has the shape of status, and the faults") {
  const TempDir dir;
  ConfigText config;
  config.listener("main", allocate_port()).route("main", {{.service = "missing"}});
  const std::string path = dir.write("c.toml", config.str());
  const CommandResult result = check(path, {"--json"});
  INFO(result.out << result.err);
  CHECK(result.code == 0);
  const json status = json::parse(result.out);
  CHECK(status["gateways"][0]["listeners"][0]["attachedRoutes"] == 1);
  const json& conditions = status["tcpRoutes"][0]["parents"][0]["conditions"];
  CHECK(conditions[1]["type"] == "ResolvedRefs");
  CHECK(conditions[1]["status"] == "False");
  CHECK(conditions[1]["reason"] == "BackendNotFound");
  CHECK(status["faults"][0]["reason"] == "BackendNotFound");
  CHECK(status["generation"] == 1);
  CHECK(status["services"].empty());
  config.service("web", {ip_address("127.0.0.1", 9)});
  const json more = json::parse(check(dir.write("more.toml", config.str()), {"--json"}).out);
  const json& endpoint = more["services"][0]["endpoints"][0];
  CHECK(endpoint["address"] == "127.0.0.1");
  CHECK_FALSE(endpoint.contains("active"));
  CHECK(status["faults"][0]["file"] == path);
  CHECK(check(path, {"--strict"}).code == 2);
  CHECK(check(path, {"--strict", "--json"}).code == 2);

  const CommandResult bad = check(dir.write("bad.toml", "x = 1\n"), {"--json"});
  CHECK(bad.code == 2);
  CHECK(json::parse(bad.out)["faults"][0]["code"] == "E0105");
  CHECK(json::parse(bad.out)["gateways"] == json::array());
}

TEST_CASE("check takes what a service may say, and warns of what has no effect") {
  const TempDir dir;
  const auto config = [&](const std::string& file, std::string_view check_keys) {
    return dir.write(file, ConfigText()
                               .listener("main", allocate_port())
                               .append("\n[[services]]\nname = \"db\"\nports = [{ port = 80 }]\n"
                                       "endpoints = [{ hostname = \"db.example\" }]\n"
                                       "healthCheck.active = { " +
                                       std::string(check_keys) + " }\n")
                               .route("main", {{.service = "db"}})
                               .append("[dns]\nservers = [\"127.0.0.1:5353\"]\n")
                               .str());
  };
  const CommandResult good = check(config("good.toml", "type = \"TLS\""), {"--strict", "--json"});
  INFO(good.out << good.err);
  CHECK(good.code == 0);
  const json status = json::parse(good.out);
  CHECK(status["services"][0]["endpoints"][0]["address"] == "db.example");
  const json& conditions = status["tcpRoutes"][0]["parents"][0]["conditions"];
  CHECK(conditions[2]["type"] == "BackendsAvailable");
  CHECK(conditions[2]["status"] == "True");

  const std::string idle = config("idle.toml", "http.path = \"/live\"");
  const CommandResult warned = check(idle);
  CHECK(warned.code == 0);
  CHECK_THAT(warned.err, Contains("warning[W0322]: http has no effect but with type HTTP"));
  CHECK(check(idle, {"--strict"}).code == 2);
}

TEST_CASE("check --bind finds a port that is taken") {
  const TempDir dir;
  const uint16_t port = allocate_port();
  const net::UniqueFd taken = listen_on(ip_address("127.0.0.1", port));
  const std::string path = dir.write("c.toml", config_on(port));
  CHECK(check(path).code == 0);
  CHECK(check(path, {"--strict"}).code == 0);
  const CommandResult result = check(path, {"--bind"});
  INFO(result.out << result.err);
  CHECK(result.code == 0);
  CHECK_THAT(result.out, Contains("PortUnavailable") && Contains("in use by another process"));
  CHECK_THAT(result.err, Contains(path + ":6:3: warning[W0320]: listener \"main\" of gateway"));
  const json status = json::parse(check(path, {"--bind", "--json"}).out);
  CHECK(status["faults"][0]["reason"] == "PortUnavailable");
  CHECK(check(path, {"--bind", "--strict"}).code == 2);
}

TEST_CASE("check reads what a file includes, and names the file of a fault") {
  const TempDir dir;
  std::filesystem::create_directory(dir.path("conf.d"));
  const std::string path =
      dir.write("main.toml", "include = [\"conf.d/*.toml\"]\n" + config_on(allocate_port()));
  const CommandResult empty = check(path);
  CHECK(empty.code == 0);
  CHECK_THAT(empty.err, Contains("W0318") && Contains("matches no file"));
  CHECK(check(path, {"--strict"}).code == 2);
  dir.write("conf.d/a.toml", "[log]\nlevel = \"loud\"\n");
  const CommandResult bad = check(path);
  CHECK(bad.code == 2);
  CHECK_THAT(bad.err, Contains("conf.d/a.toml:2:9: error[E0109]") && Contains("level = \"loud\""));
}

}  // namespace lb::test
