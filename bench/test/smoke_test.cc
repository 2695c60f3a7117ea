// The installed programs together: sluice-bench through Sluice and its own relays.
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/child_process.h"
#include "test/support/engines.h"
#include "test/support/port_allocator.h"
#include "test/support/temp_dir.h"

namespace lb::test {
namespace {

CommandResult bench(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), std::getenv("SLUICE_BENCH_BIN"));
  return run_command({.argv = arguments});
}

}  // namespace

TEST_CASE("load goes through Sluice and charges it") {
  const std::string engine = SLUICE_EACH_ENGINE();
  const net::Address backend = net::Address::parse("127.0.0.1", allocate_port()).value();
  const Balancer balancer(engine, {backend});
  for (const std::string workload : {"rr", "crr", "stream", "mixed"}) {
    INFO(workload);
    const CommandResult result = bench(
        {"load", "--target", balancer.address().to_string(), "--with-backend", backend.to_string(),
         "--workload", workload, "--connections", "4", "--duration", "100ms", "--warmup", "10ms",
         "--pid", std::to_string(balancer.process().pid()), "--json"});
    INFO(result.out << result.err);
    REQUIRE(result.code == 0);
    const nlohmann::json report = nlohmann::json::parse(result.out);
    CHECK(report["errors"].empty());
    CHECK(report["proxy_cpu_seconds"] > 0);
    CHECK(report["operations"].get<uint64_t>() + report["stream_bytes"].get<uint64_t>() > 0);
  }
}

TEST_CASE("a comparison of the relays ends with a table, JSON and a picture") {
  const TempDir folder;
  const CommandResult result =
      bench({"compare", "--quick", "--rounds", "1", "--duration", "50ms", "--contenders",
             "bare relay epoll,bare relay splice", "--workloads", "rr-64,stream-1-up", "--json",
             folder.path("a.json"), "--plot", folder.path("a.svg")});
  INFO(result.out << result.err);
  CHECK(result.code == 0);
  CHECK(result.out.find("to the best peer") != std::string::npos);
  CHECK(run_command({.argv = {"grep", "-c", "bare relay splice", folder.path("a.json")}}).code ==
        0);
  CHECK(run_command({.argv = {"grep", "-c", "</svg>", folder.path("a.svg")}}).code == 0);
}

}  // namespace lb::test
