// Simulated relays to servers that want a PROXY header, and from sources that run out. Every run
// compares what a server gets with the header that it must get first (relay_run.cc).
#include "test/sim/relay_story.h"
#include "test/support/catch.h"

namespace lb::sim {

using Leave = ScriptPlan::Leave;
using config::ProxyVersion;

namespace {

// A header of some 60 bytes, over sockets that have no room for it.
void want_header(ConnectionPlan& connection, RunPlan& plan) {
  connection.service.proxy_header.version =
      plan.sim.seed % 2 == 0 ? ProxyVersion::kV1 : ProxyVersion::kV2;
  connection.service.proxy_header.tlvs = {.unique_id = true, .crc32c = true};
  plan.sim.min_socket_bytes = 1;
  plan.sim.max_socket_bytes = 20;
}

}  // namespace

TEST_CASE("preamble: whole and first, also in small pieces, for whoever speaks first") {
  const bool client_speaks = GENERATE(true, false);
  const bool server_speaks = GENERATE(true, false);
  each_seed(
      [&](ConnectionPlan& connection, RunPlan& plan) {
        want_header(connection, plan);
        connection.client.size_bytes = client_speaks ? 500 : 0;
        connection.server.size_bytes = server_speaks ? 500 : 0;
        connection.server.leave = Leave::kFinishAfterPeer;
        plan.is_benign = true;
        plan.splice = plan.sim.seed % 3 == 0   ? config::SpliceMode::kAlways
                      : plan.sim.seed % 3 == 1 ? config::SpliceMode::kAuto
                                               : config::SpliceMode::kOff;
        plan.engine.max_pipes = 8;
      },
      [&](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == "client_fin");
        REQUIRE(record.number("bytes_in") == (client_speaks ? 500 : 0));
      });
}

TEST_CASE("preamble: a server that ends first gets it before its FIN is answered") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan& plan) {
        want_header(connection, plan);
        connection.client.leave = Leave::kFinishAfterPeer;
        connection.client.size_bytes = 100;
        connection.listener.half_close_timeout_ms =
            plan.sim.seed % 2 == 0 ? 0 : connection.listener.half_close_timeout_ms;
      },
      [](const test::AccessRecord& record) { REQUIRE(record.close_word() == "server_fin"); });
}

TEST_CASE("preamble: goes out anew to the endpoint that accepts") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan& plan) {
        want_header(connection, plan);
        connection.endpoints = {EndpointKind::kRefusing, EndpointKind::kUnreachable,
                                EndpointKind::kAccepting};
        connection.client.size_bytes = 300;
        connection.server.leave = Leave::kFinishAfterPeer;
      },
      [](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == "client_fin");
        REQUIRE(record.number("bytes_in") == 300);
      });
}

TEST_CASE("preamble: a server that does not take it is given up like any other") {
  const bool is_killed = GENERATE(true, false);
  const bool client_finishes = GENERATE(true, false);
  each_seed(
      [&](ConnectionPlan& connection, RunPlan& plan) {
        want_header(connection, plan);
        connection.client.size_bytes = 10;
        connection.client.leave = client_finishes ? Leave::kFinish : Leave::kNever;
        connection.server.stall_after_bytes = 0;
        connection.server.stall_ms = util::kNever;
        connection.server.leave = Leave::kNever;
        connection.listener.idle_timeout_ms = 2'000;
        connection.listener.half_close_timeout_ms = 3'000;
        if (is_killed) plan.kill_ms = 1'000;
      },
      [&](const test::AccessRecord& record) {
        if (is_killed) {
          REQUIRE(record.close_word() == "killed");
        } else {
          REQUIRE(record.close_word() == "idle_timeout");
          REQUIRE(record.number("duration_ms") < 8'000);
        }
        REQUIRE(record.number("bytes_in") == 0);
      });
}

TEST_CASE("preamble: a reset from either side while it is under way ends the connection") {
  const bool is_client = GENERATE(true, false);
  each_seed(
      [&](ConnectionPlan& connection, RunPlan& plan) {
        want_header(connection, plan);
        connection.client.size_bytes = 10;
        connection.client.leave = Leave::kNever;
        connection.server.stall_after_bytes = 0;
        connection.server.stall_ms = util::kNever;
        connection.server.leave = Leave::kNever;
        ScriptPlan& leaver = is_client ? connection.client : connection.server;
        leaver.leave = Leave::kReset;
        leaver.leave_ms = 500;
        connection.listener.half_close_timeout_ms = 1'000;
      },
      [&](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == (is_client ? "client_reset" : "server_reset"));
        REQUIRE(record.number("duration_ms") < 3'000);
      });
}

TEST_CASE("sources: when no source is left the next endpoint is tried, and then the client told") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan& plan) {
        connection.endpoints = {EndpointKind::kAccepting, EndpointKind::kAccepting};
        connection.service.source.addresses = {"198.51.100.1", "198.51.100.2"};
        connection.client.leave = Leave::kNever;
        plan.sim.no_source_one_in = 1;
      },
      [](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == "connect_failed");
        REQUIRE(record.close_place() == "connect");
        REQUIRE(record.number("attempts") == 2);
      });
}

TEST_CASE("sources: one of them that has a port left is found") {
  int attempts = 0;
  int served = 0;
  each_seed(
      [](ConnectionPlan& connection, RunPlan& plan) {
        connection.endpoints = {EndpointKind::kAccepting};
        for (int i = 1; i <= 40; ++i) {
          connection.service.source.addresses.push_back("198.51.100." + std::to_string(i));
        }
        connection.server.leave = Leave::kFinishAfterPeer;
        plan.sim.no_source_one_in = 2;
      },
      [&](const test::AccessRecord& record) {
        ++attempts;
        served += record.close_word() == "client_fin" ? 1 : 0;
        REQUIRE(record.number("attempts") == 1);
      });
  // An address works when its bind and its connect do, with a quarter: none of 40 works once in
  // 0.75^40 = 1 of 100,000.
  CHECK(served >= attempts - 1);
}

TEST_CASE("sources: the next one is given no time that the attempt does not have") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan& plan) {
        // As long as the first source may take to be found without a port.
        connection.endpoints = {EndpointKind::kSilent};
        connection.service.connect_timeout_ms = 1;
        connection.service.source.addresses = {"198.51.100.1", "198.51.100.2", "198.51.100.3"};
        connection.client.leave = Leave::kNever;
        plan.sim.no_source_one_in = 2;
      },
      [](const test::AccessRecord& record) {
        REQUIRE(record.close_place() == "connect");
        REQUIRE(record.number("attempts") == 1);
        REQUIRE(record.number("duration_ms") < 1'000);
      });
}

}  // namespace lb::sim
