// Simulated connections that wait until their service may have one more, many seeds of each story.
#include <string>

#include "test/sim/quiet_plan.h"
#include "test/sim/relay_run.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::sim {
namespace {

using Leave = ScriptPlan::Leave;

// So many clients of a service that may have one connection, arriving one after the other.
RunPlan queue_plan(uint64_t seed, size_t clients) {
  RunPlan plan = quiet_plan(seed);
  plan.service_bound = 1;
  plan.connections.front().service.circuit_breaker = {.max_pending = 100,
                                                      .pending_timeout_ms = 3'600'000};
  plan.connections.resize(clients, plan.connections.front());
  for (size_t i = 0; i < clients; ++i) {
    plan.connections[i].arrives_ms = static_cast<util::MonoTimeMs>(10 * i);
  }
  return plan;
}

template <typename Story, typename Check>
void each_seed(size_t clients, const Story& story, const Check& check) {
  const uint64_t base = test::test_seed();
  for (uint64_t i = 0; i < test::scaled(100, 20); ++i) {
    CAPTURE(base + i);
    RunPlan plan = queue_plan(base + i, clients);
    story(plan);
    RelayRun run(plan);
    std::string text;
    for (const std::string& failure : run.run()) text += failure + "\n";
    INFO(text);
    REQUIRE(text.empty());
    check(run);
  }
}

}  // namespace

TEST_CASE("queue: whoever has waited longest is next, and what he has said is not lost") {
  constexpr size_t kClients = 6;
  each_seed(
      kClients,
      [](RunPlan& plan) {
        for (ConnectionPlan& connection : plan.connections) {
          connection.client.size_bytes = 3'000;
          connection.server.size_bytes = 2'000;
          connection.server.leave = Leave::kFinishAfterPeer;
          connection.client.max_pause_ms = 50;
        }
      },
      [](const RelayRun& run) {
        for (size_t i = 0; i < kClients; ++i) {
          INFO(run.record(i).line());
          REQUIRE(run.record(i).close_word() == "client_fin");
          REQUIRE(run.record(i).number("bytes_in") == 3'000);
          REQUIRE(run.record(i).number("bytes_out") == 2'000);
          REQUIRE(run.record(i).number("attempts") == 1);
          if (i > 0) REQUIRE(run.connected_ms(i) > run.connected_ms(i - 1));
        }
      });
}

TEST_CASE("queue: who waits in vain is refused after the pending timeout") {
  each_seed(
      3,
      [](RunPlan& plan) {
        for (ConnectionPlan& connection : plan.connections) {
          connection.client.leave = Leave::kReset;
          connection.client.leave_ms = 60'000;
          connection.server.leave = Leave::kNever;
        }
        plan.connections[1].service.circuit_breaker.pending_timeout_ms = 2'000;
        plan.connections[2].client.leave_ms = 500;
      },
      [](const RelayRun& run) {
        INFO(run.record(1).line());
        REQUIRE(run.record(1).close_word() == "limit_endpoint");
        REQUIRE(run.record(1).close_place() == "connect");
        REQUIRE(run.record(1).number("attempts") == 0);
        REQUIRE(run.record(1).number("duration_ms") >= 2'000);
        REQUIRE(run.record(1).number("duration_ms") < 2'100);
        // And who goes is out of the way at once.
        INFO(run.record(2).line());
        REQUIRE(run.record(2).close_word() == "client_reset");
        REQUIRE(run.record(2).close_place() == "connect");
        REQUIRE(run.record(2).number("duration_ms") < 1'000);
      });
}

TEST_CASE("queue: the time to connect begins when the waiting is over") {
  each_seed(
      2,
      [](RunPlan& plan) {
        plan.connections[0].client.leave = Leave::kReset;
        plan.connections[0].client.leave_ms = 20'000;
        plan.connections[0].server.leave = Leave::kNever;
        plan.connections[1].endpoints = {EndpointKind::kSilent, EndpointKind::kAccepting};
        plan.connections[1].service.connect_timeout_ms = 500;
        plan.connections[1].service.retry_total_timeout_ms = 1'000;
      },
      [](const RelayRun& run) {
        INFO(run.record(1).line());
        REQUIRE(run.record(1).close_place() == "data");
        REQUIRE(run.record(1).number("connect_ms") >= 19'900);
        REQUIRE(run.record(1).number("connect_ms") < 21'200);
      });
}

TEST_CASE("queue: whatever ends a connection makes room for the next") {
  const int how = GENERATE(0, 1, 2, 3, 4, 5);
  CAPTURE(how);
  each_seed(
      3,
      [&](RunPlan& plan) {
        ConnectionPlan& first = plan.connections[0];
        first.client.leave = Leave::kNever;
        first.server.leave = Leave::kNever;
        if (how == 0) first.endpoints = {EndpointKind::kRefusing};
        if (how == 1) first.endpoints = {EndpointKind::kUnreachable, EndpointKind::kRefusing};
        if (how == 2) first.endpoints = {EndpointKind::kSilent};
        if (how == 3) first.listener.idle_timeout_ms = 1'000;
        if (how == 4) first.server.leave = Leave::kReset;
        if (how == 5) {
          first.endpoints = {EndpointKind::kSilent};
          first.client.leave = Leave::kReset;
        }
        first.client.leave_ms = 300;
        first.server.leave_ms = 300;
        first.service.connect_timeout_ms = 700;
      },
      [](const RelayRun& run) {
        for (size_t i = 1; i < 3; ++i) {
          INFO(run.record(i).line());
          REQUIRE(run.record(i).close_place() == "data");
        }
      });
}

TEST_CASE("queue: all are killed, those that wait and those on their way out of it too") {
  each_seed(
      5,
      [](RunPlan& plan) {
        for (size_t i = 0; i < plan.connections.size(); ++i) {
          plan.connections[i].client.leave = Leave::kReset;
          plan.connections[i].client.leave_ms = static_cast<util::MonoTimeMs>(100 + 7 * i);
          plan.connections[i].server.leave = Leave::kNever;
        }
        plan.kill_ms = 100 + static_cast<util::MonoTimeMs>(plan.sim.seed % 30);
      },
      [](const RelayRun&) {});
}

}  // namespace lb::sim
