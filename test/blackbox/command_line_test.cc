// Commands, their exit codes, and what they print; and the demonstration.
#include <fmt/format.h>
#include <signal.h>

#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/network_namespace.h"
#include "test/support/port_allocator.h"
#include "test/support/sluice_process.h"
#include "test/support/temp_dir.h"

namespace lb::test {
namespace {

using Catch::Contains;

std::string good_config() {
  return one_service(allocate_port(), {ip_address("127.0.0.1", 8080)}).str();
}

}  // namespace

TEST_CASE("help, version and bad usage") {
  CHECK(run_sluice({"--help"}).code == 0);
  CHECK_THAT(run_sluice({"--help"}).out, Contains("run") && Contains("check"));
  for (const char* command : {"run", "check", "demo", "version"}) {
    INFO(command);
    const CommandResult result = run_sluice({command, "--help"});
    CHECK(result.code == 0);
    CHECK_FALSE(result.out.empty());
  }
  const CommandResult version = run_sluice({"version"});
  CHECK(version.code == 0);
  CHECK_THAT(version.out, Contains(SLUICE_VERSION) && Contains("liburing"));

  CHECK(run_sluice({}).code == 2);
  CHECK(run_sluice({"fly"}).code == 2);
  const CommandResult typo = run_sluice({"chekc", "--strict"});
  CHECK(typo.code == 2);
  CHECK_THAT(typo.err, Contains("no command \"chekc\", did you mean \"check\"?"));
  CHECK(run_sluice({"run", "--no-such-option"}).code == 2);
  CHECK(run_sluice({"run", "--engine", "steam"}).code == 2);
  CHECK(run_sluice({"run", "--workers", "many"}).code == 2);
}

TEST_CASE("check passes a good file and finds every fault of a bad one") {
  const TempDir dir;
  const CommandResult good =
      run_sluice({"check", "--config", dir.write("good.toml", good_config())});
  INFO(good.out << good.err);
  CHECK(good.code == 0);

  const std::string bad_path = dir.write("bad.toml",
                                         "[[gateways]]\n"
                                         "name = \"gw\"\n"
                                         "listeners = [{ name = \"a\", port = 70000, "
                                         "protocol = \"TCP\" }]\n"
                                         "[[servicess]]\n"
                                         "name = \"web\"\n");
  const CommandResult bad = run_sluice({"check", "--config", bad_path});
  const std::string text = bad.out + bad.err;
  CHECK(bad.code == 2);
  CHECK_THAT(text, Contains("bad.toml:3:") && Contains("bad.toml:4:"));
  CHECK_THAT(text, Contains("did you mean") && Contains("services"));
  CHECK_THAT(text, Contains("^"));

  CHECK(run_sluice({"check", "--config", dir.path("missing.toml")}).code == 2);
  CHECK(run_sluice({"check", "--config", dir.write("empty.toml", "")}).code == 2);
  CHECK(run_sluice({"check", "--config", dir.write("syntax.toml", "[[gateways\n")}).code == 2);
}

TEST_CASE("check accepts a dangling reference, which is a condition and not a fault of the file") {
  const TempDir dir;
  ConfigText config;
  config.listener("main", allocate_port()).route("main", {{.service = "missing"}});
  const CommandResult result = run_sluice({"check", "--config", dir.write("c.toml", config.str())});
  INFO(result.out << result.err);
  CHECK(result.code == 0);
  CHECK_THAT(result.out + result.err, Contains("missing"));
}

TEST_CASE("run with a bad file or none says why and exits 2") {
  const TempDir dir;
  const CommandResult bad = run_sluice({"run", "--config", dir.write("bad.toml", "x = 1\n")});
  CHECK(bad.code == 2);
  CHECK_THAT(bad.err, Contains("bad.toml:1:"));
  const CommandResult missing = run_sluice({"run", "--config", dir.path("missing.toml")});
  CHECK(missing.code == 2);
  CHECK_THAT(missing.err, Contains("missing.toml"));
}

TEST_CASE("the demonstration answers with the Host of the request on both ports") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto space = NetworkNamespace::enter();
  if (space == nullptr) return;
  ChildProcess demo({.argv = {sluice_path(), "demo", "--engine", engine}});
  for (const std::string port : {"8000", "8001"}) {
    const std::string host = "localhost:" + port;
    CommandResult answer = {};
    CHECK(eventually(
        [&] {
          answer = run_command({.argv = {"curl", "-s", "--max-time", "5", host + "/headers"}});
          return answer.code == 0;
        },
        std::chrono::seconds(10)));
    CHECK_THAT(answer.out, Contains("\"Host\": \"" + host + "\""));
    // It serves a moment before it says so.
    CHECK(eventually([&] {
      const std::string said = demo.out().text() + demo.err().text();
      return said.find("curl") != std::string::npos && said.find(host) != std::string::npos;
    }));
  }
  demo.send_signal(SIGTERM);
  CHECK(demo.wait_code() == 0);
}

}  // namespace lb::test
