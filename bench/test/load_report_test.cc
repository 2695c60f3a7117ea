#include "bench/load_report.h"

#include <string>

#include "test/support/catch.h"

namespace lb::bench {

TEST_CASE("cost is per operation and per 10^9 bytes, and nothing is divided by nothing") {
  LoadResult result;
  result.proxy_cpu_seconds = 2;
  CHECK(cpu_us_per_operation(result) == 0);
  CHECK(cpu_seconds_per_gb(result) == 0);
  result.operations = 100'000;
  result.stream_bytes = 4'000'000'000;
  CHECK(cpu_us_per_operation(result) == Approx(20));
  CHECK(cpu_seconds_per_gb(result) == Approx(0.5));
}

TEST_CASE("a report names errors by kind, and is silent about those that were none") {
  LoadResult result;
  result.errors.add(ErrorKind::kReset);
  result.errors.add(ErrorKind::kReset);
  result.errors.add(kind_of_errno(ECONNRESET, true));
  const nlohmann::json json = report_json({}, result);
  CHECK(json["errors"] == nlohmann::json{{"reset", 2}, {"refused", 1}});
  const std::string text = report_text({}, result);
  CHECK(text.find("2 reset") != std::string::npos);
  CHECK(text.find("timeout") == std::string::npos);
}

}  // namespace lb::bench
