// Thousands of simulated relays, each from a seed of its own: random amounts, pauses, half-closes,
// resets, silence, connect failures and timeouts, on an engine that delays, splits, reorders and
// refuses as it likes. A seed that fails prints the command that runs it alone.
#include <cstdlib>
#include <map>
#include <string>

#include "fmt/format.h"
#include "test/sim/relay_run.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::sim {

TEST_CASE("relay: whatever the ends do, bytes are exact, ends are told and nothing is left") {
  const uint64_t base = test::test_seed();
  const char* const only = std::getenv("SLUICE_RUNS");
  const uint64_t runs =
      only != nullptr ? std::strtoull(only, nullptr, 0) : test::scaled(10'000, 400);
  std::map<std::string, int> reasons;
  for (uint64_t i = 0; i < runs; ++i) {
    const uint64_t seed = base + i;
    INFO("replay: SLUICE_SEED=" << seed << " SLUICE_RUNS=1 test/sim/relay_sim");
    RelayRun run(RunPlan::make(seed));
    std::string text;
    for (const std::string& failure : run.run()) text += failure + "\n";
    INFO(text);
    REQUIRE(text.empty());
    for (const std::string& word : run.close_words()) ++reasons[word];
  }
  for (const auto& [word, count] : reasons) fmt::print("{} {}\n", word, count);
  if (runs < 1000) return;
  // The seeds must reach every way a connection can end.
  for (const char* word : {"client_fin", "server_fin", "client_reset", "server_reset",
                           "connect_refused", "connect_timeout", "connect_failed", "idle_timeout",
                           "half_close_timeout", "killed", "out_of_resources"}) {
    CAPTURE(word);
    CHECK(reasons[word] > 0);
  }
}

}  // namespace lb::sim
