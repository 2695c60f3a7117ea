// Who may be chosen: readiness and weight, health, priorities, panic, and weights that grow.
#include "lb/balance/candidates.h"

#include <string>
#include <vector>

#include "fmt/format.h"
#include "test/support/catch.h"
#include "test/unit/balance/endpoint_list.h"

namespace lb::balance {
namespace {

// "0:1*2,2*3 1:0*1": by priority, index and weight of each candidate; a "+" where weights grow.
std::string text(const Candidates& candidates) {
  std::string out;
  for (const Tier& tier : candidates.tiers) {
    out += fmt::format("{}{}:", out.empty() ? "" : " ", tier.priority);
    for (const Candidate& candidate : tier.candidates) {
      out +=
          fmt::format("{}{}*{}", out.back() == ':' ? "" : ",", candidate.index, candidate.weight);
    }
  }
  return out + (candidates.is_growing ? " +" : "");
}

std::string derive(const std::vector<WeightedEndpoint>& endpoints, uint32_t panic_percent = 0) {
  return text(derive_candidates(endpoints, {panic_percent, 0}, 0));
}

// A letter for each endpoint of weight 1: (u)p, (d)ead, (e)jected.
void set_health(const std::vector<WeightedEndpoint>& endpoints, std::string_view letters) {
  for (size_t i = 0; i < letters.size(); ++i) {
    endpoints[i].endpoint->set_healthy(letters[i] != 'd');
    endpoints[i].endpoint->set_ejected(letters[i] == 'e');
  }
}

}  // namespace

TEST_CASE("candidates: ready, with weight and up") {
  auto endpoints = endpoints_of({1, 2, 0, 4, 5, 6});
  endpoints[3].is_ready = false;
  endpoints[4].endpoint->set_healthy(false);
  endpoints[5].endpoint->set_ejected(true);
  CHECK(derive(endpoints) == "0:0*1,1*2");
  CHECK(derive({}) == "");
}

TEST_CASE("candidates: an operator's word goes before the file's") {
  auto endpoints = endpoints_of({1, 1, 0});
  endpoints[1].is_ready = false;
  endpoints[0].endpoint->set_admin_state(AdminState::kDrain);
  endpoints[1].endpoint->set_admin_state(AdminState::kReady);
  endpoints[2].endpoint->set_weight_override(7);
  CHECK(derive(endpoints) == "0:1*1,2*7");
  endpoints[0].endpoint->set_admin_state(AdminState::kNone);
  endpoints[0].endpoint->set_weight_override(0);
  endpoints[1].endpoint->set_admin_state(AdminState::kDown);
  CHECK(derive(endpoints) == "0:2*7");
  // Ready is not up.
  endpoints[2].endpoint->set_admin_state(AdminState::kReady);
  endpoints[2].endpoint->set_healthy(false);
  CHECK(derive(endpoints) == "");
}

TEST_CASE("candidates: priorities in their order, those with nobody left out") {
  auto endpoints = endpoints_of({1, 1, 1, 1});
  endpoints[0].priority = 7;
  endpoints[1].priority = 2;
  endpoints[2].priority = 7;
  CHECK(derive(endpoints) == "0:3*1 2:1*1 7:0*1,2*1");
  endpoints[3].endpoint->set_healthy(false);
  CHECK(derive(endpoints) == "2:1*1 7:0*1,2*1");
}

TEST_CASE("candidates: panic") {
  auto endpoints = endpoints_of({1, 1, 1, 1});
  struct Row {
    std::string_view health;
    uint32_t percent;
    std::string_view expected;
  };
  const std::string_view all = "0:0*1,1*1,2*1,3*1";
  for (const Row& row : {
           Row{"uude", 0, "0:0*1,1*1"},
           Row{"uude", 50, "0:0*1,1*1"},  // not fewer than
           Row{"uude", 51, all},
           Row{"uddd", 25, "0:0*1"},
           Row{"uddd", 26, all},
           Row{"dedd", 0, ""},
           Row{"dddd", 1, all},
           Row{"uuuu", 100, all},
       }) {
    set_health(endpoints, row.health);
    INFO(row.health << " " << row.percent);
    CHECK(derive(endpoints, row.percent) == row.expected);
  }
}

TEST_CASE("candidates: panic does not overrule an operator") {
  auto endpoints = endpoints_of({1, 1, 1, 1});
  set_health(endpoints, "dduu");
  endpoints[0].endpoint->set_admin_state(AdminState::kDown);
  endpoints[1].endpoint->set_admin_state(AdminState::kDrain);
  // Nor do those count that he has taken out: of the two that are left, both are up.
  CHECK(derive(endpoints, 60) == "0:2*1,3*1");
  set_health(endpoints, "dddd");
  CHECK(derive(endpoints, 60) == "0:2*1,3*1");
}

TEST_CASE("candidates: panic is a priority's own, and none takes traffic from one that is up") {
  auto endpoints = endpoints_of({1, 1, 1, 1});
  endpoints[2].priority = 1;
  endpoints[3].priority = 1;
  struct Row {
    std::string_view health;
    std::string_view expected;
  };
  for (const Row& row : {
           Row{"uuuu", "0:0*1,1*1 1:2*1,3*1"},
           Row{"uddd", "0:0*1,1*1"},  // 50 percent is fewer than 60
           Row{"dduu", "1:2*1,3*1"},  // a whole priority is down: that is what others are for
           Row{"ddud", "1:2*1,3*1"},
           Row{"dddd", "0:0*1,1*1 1:2*1,3*1"},
       }) {
    set_health(endpoints, row.health);
    INFO(row.health);
    CHECK(derive(endpoints, 60) == row.expected);
  }
}

TEST_CASE("candidates: slow start grows weights in a line from a tenth") {
  auto endpoints = endpoints_of({1, 3});
  constexpr int64_t kWindowMs = 10'000;
  const auto derive_at = [&](util::MonoTimeMs now_ms) {
    return text(derive_candidates(endpoints, {0, kWindowMs}, now_ms));
  };
  CHECK(derive_at(0) == "0:0*1,1*3");  // up from the beginning
  endpoints[1].endpoint->set_up_since_ms(5'000);
  struct Row {
    util::MonoTimeMs now_ms;
    double weight;
    std::string_view expected;
  };
  for (const Row& row : {
           Row{4'000, 0.3, "0:0*1000,1*300 +"},  // by a clock that lags
           Row{5'000, 0.3, "0:0*1000,1*300 +"},
           Row{10'000, 1.65, "0:0*1000,1*1650 +"},
           Row{15'000, 3, "0:0*1,1*3"},
           Row{90'000, 3, "0:0*1,1*3"},
       }) {
    INFO(row.now_ms);
    CHECK(derive_at(row.now_ms) == row.expected);
    CHECK(effective_weight(endpoints[1], kWindowMs, row.now_ms) == Approx(row.weight));
    CHECK(effective_weight(endpoints[0], kWindowMs, row.now_ms) == 1);
    CHECK(effective_weight(endpoints[1], 0, row.now_ms) == 3);
  }
  CHECK(text(derive_candidates(endpoints, {0, 0}, 5'000)) == "0:0*1,1*3");
}

TEST_CASE("candidates: the greatest weight grows without an overflow") {
  auto endpoints = endpoints_of({1'000'000});
  endpoints[0].endpoint->set_up_since_ms(0);
  CHECK(text(derive_candidates(endpoints, {0, 1'000}, 999)) == "0:0*999000000 +");
}

}  // namespace lb::balance
