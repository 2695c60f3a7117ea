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
namespace {

// How many runs reach what the mode of a relay can do.
struct Modes {
  uint64_t spliced = 0;
  uint64_t copied = 0;
  uint64_t to_splice = 0;  // a flow changed by its own pace
  uint64_t to_recv = 0;
  uint64_t often = 0;  // several times, both ways

  void add(const RelayRun& run) {
    const SimEngine::ModeCounts& counts = run.modes();
    spliced += run.spliced_bytes() > 0 ? 1 : 0;
    copied += counts.recvs > 0 ? 1 : 0;
    if (run.splice_mode() != config::SpliceMode::kAuto || run.spliced_bytes() == 0) return;
    to_splice += counts.to_splice > 0 ? 1 : 0;
    to_recv += counts.to_recv > 0 ? 1 : 0;
    often += counts.to_splice >= 3 && counts.to_recv >= 3 ? 1 : 0;
  }
};

}  // namespace

TEST_CASE("relay: whatever the ends do, bytes are exact, ends are told and nothing is left") {
  const uint64_t base = test::test_seed();
  const char* const only = std::getenv("SLUICE_RUNS");
  const uint64_t runs =
      only != nullptr ? std::strtoull(only, nullptr, 0) : test::scaled(10'000, 400);
  std::map<std::string, int> reasons;
  Modes modes;
  for (uint64_t i = 0; i < runs; ++i) {
    const uint64_t seed = base + i;
    INFO("replay: SLUICE_SEED=" << seed << " SLUICE_RUNS=1 test/sim/relay_sim");
    RelayRun run(RunPlan::make(seed));
    std::string text;
    for (const std::string& failure : run.run()) text += failure + "\n";
    INFO(text);
    REQUIRE(text.empty());
    for (const std::string& word : run.close_words()) ++reasons[word];
    modes.add(run);
  }
  for (const auto& [word, count] : reasons) fmt::print("{} {}\n", word, count);
  fmt::print("runs that spliced {}, copied {}; by pace: to splice {}, back {}, often {}\n",
             modes.spliced, modes.copied, modes.to_splice, modes.to_recv, modes.often);
  if (runs < 1000) return;
  // And every way that bytes can go, with the changes in mid-flow.
  CHECK(modes.spliced > runs / 20);
  CHECK(modes.copied > runs / 20);
  CHECK(modes.to_splice > runs / 50);
  CHECK(modes.to_recv > runs / 50);
  CHECK(modes.often > runs / 100);
  // The seeds must reach every way a connection can end.
  for (const char* word :
       {"client_fin", "server_fin", "client_reset", "server_reset", "connect_refused",
        "connect_timeout", "connect_failed", "idle_timeout", "half_close_timeout", "killed",
        "endpoint_down", "out_of_resources", "limit_endpoint"}) {
    CAPTURE(word);
    CHECK(reasons[word] > 0);
  }
}

}  // namespace lb::sim
