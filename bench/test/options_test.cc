#include "bench/options.h"

#include <string>
#include <vector>

#include "bench/workload_plan.h"
#include "test/support/catch.h"

namespace lb::bench {
namespace {

ParsedOptions parse(std::vector<std::string> words) {
  words.insert(words.begin(), "sluice-bench");
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  return parse_options(static_cast<int>(pointers.size()), pointers.data());
}

}  // namespace

TEST_CASE("load is described in full") {
  const ParsedOptions parsed =
      parse({"load", "--target", "[::1]:80", "--workload", "crr", "--size", "4Ki", "--duration",
             "300ms", "--sources", "127.0.0.2,127.0.0.3", "--pid", "1", "--pid", "2", "--proxy-cpu",
             "3", "--distance", "500"});
  REQUIRE(parsed.options);
  const LoadOptions& load = parsed.options->load;
  CHECK(load.target.to_string() == "[::1]:80");
  CHECK(load.workload == Workload::kCRR);
  CHECK(load.size_bytes == 4096);
  CHECK(load.duration_ms == 300);
  CHECK(load.sources.size() == 2);
  CHECK(load.proxy_cpu == 3);
  CHECK(load.distance_ns == 500);
  CHECK(load.pids == std::vector<pid_t>{1, 2});
}

TEST_CASE("bad usage is refused with status 2") {
  CHECK(parse({}).exit_status == 2);
  CHECK(parse({"load"}).exit_status == 2);
  CHECK(parse({"load", "--target", "127.0.0.1"}).exit_status == 2);
  CHECK(parse({"load", "--target", "127.0.0.1:80", "--size", "0"}).exit_status == 2);
  CHECK(parse({"load", "--target", "127.0.0.1:80", "--duration", "5"}).exit_status == 2);
  CHECK(parse({"compare", "--workloads", "rr-64,nothing"}).exit_status == 2);
}

TEST_CASE("quick is short, but what is given explicitly stays") {
  const ParsedOptions parsed = parse({"compare", "--quick", "--rounds", "7"});
  REQUIRE(parsed.options);
  CHECK(parsed.options->compare.rounds == 7);
  CHECK(parsed.options->compare.duration_ms < 1'000);
}

TEST_CASE("a workload brings along what its rate is taken from") {
  std::vector<std::string> unknown;
  const std::vector<WorkloadPlan> plans = choose_plans({"latency"}, &unknown);
  REQUIRE(plans.size() == 2);
  CHECK(plans[0].name == "rr-64");
  CHECK(plans[1].name == "latency");
  CHECK(unknown.empty());
}

}  // namespace lb::bench
