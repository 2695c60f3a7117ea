// Simulated relays with a story of their own, many seeds of each: the rules that random runs meet
// too seldom to be held to the millisecond.
#include "test/sim/relay_story.h"
#include "test/support/catch.h"

namespace lb::sim {

using Leave = ScriptPlan::Leave;

TEST_CASE("relay: a connection ends with its endpoint, within the spread, unless that comes back") {
  const int64_t spread_ms = GENERATE(0, 5'000);
  const util::MonoTimeMs back_ms = GENERATE(false, true) ? 1'000 : util::kNever;
  // With a spread of 5 s less than one in five hundred closes before it is called off.
  each_seed(
      [&](ConnectionPlan& connection, RunPlan& plan) {
        connection.client.leave = Leave::kNever;
        connection.server.leave = Leave::kNever;
        connection.listener.idle_timeout_ms = 20'000;
        plan.down_ms = 990;
        plan.spread_ms = spread_ms;
        plan.back_ms = back_ms;
      },
      [&](const test::AccessRecord& record) {
        const int64_t duration_ms = record.number("duration_ms");
        const bool is_called_off = spread_ms > 0 && back_ms != util::kNever && duration_ms > 1'100;
        REQUIRE(record.close_word() == (is_called_off ? "idle_timeout" : "endpoint_down"));
        if (is_called_off) return;
        REQUIRE(duration_ms >= 980);
        REQUIRE(duration_ms <= 990 + spread_ms + 100);
      });
}

TEST_CASE("relay: who is connecting to an endpoint that goes down gets the next one") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan& plan) {
        connection.endpoints = {EndpointKind::kSilent, EndpointKind::kAccepting};
        connection.client.size_bytes = 100;
        connection.service.connect_timeout_ms = 10'000;
        plan.down_ms = 100;
      },
      [](const test::AccessRecord& record) {
        REQUIRE(record.text("endpoint").ends_with(":8001"));
        REQUIRE(record.number("bytes_in") == 100);
        REQUIRE(record.number("duration_ms") < 1'000);
      });
}

TEST_CASE("relay: an idle connection ends after the idle timeout, to the millisecond") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan&) {
        connection.client.leave = Leave::kNever;
        connection.server.leave = Leave::kNever;
        connection.listener.idle_timeout_ms = 10'000;
      },
      [](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == "idle_timeout");
        REQUIRE(record.number("duration_ms") >= 10'000);
        REQUIRE(record.number("duration_ms") < 10'100);
      });
}

TEST_CASE("relay: bytes in either direction put the idle timeout off") {
  const bool is_upload = GENERATE(true, false);
  each_seed(
      [&](ConnectionPlan& connection, RunPlan&) {
        ScriptPlan& talker = is_upload ? connection.client : connection.server;
        talker.size_bytes = 20;
        talker.max_write_bytes = 1;
        talker.max_pause_ms = 900;  // 20 bytes: some 9 seconds
        (is_upload ? connection.server : connection.client).leave = Leave::kFinishAfterPeer;
        connection.listener.idle_timeout_ms = 1'000;
      },
      [&](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == (is_upload ? "client_fin" : "server_fin"));
        REQUIRE(record.number(is_upload ? "bytes_in" : "bytes_out") == 20);
      });
}

TEST_CASE("relay: the idle timeout of a connection begins when it is established") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan& plan) {
        connection.endpoints = {EndpointKind::kSlow};
        connection.client.leave = Leave::kFinishAfterPeer;
        connection.server.size_bytes = 1;
        // The first byte takes up to 60 ms from there.
        plan.sim.max_delay_ms = 10;
        connection.listener.idle_timeout_ms = 200;
      },
      [](const test::AccessRecord& record) { REQUIRE(record.close_word() == "server_fin"); });
}

TEST_CASE("relay: a slow reader that keeps one send busy is not idle") {
  const bool is_upload = GENERATE(true, false);
  each_seed(
      [&](ConnectionPlan& connection, RunPlan& plan) {
        // What one send has takes the reader longer than the idle timeout, as a trickle.
        plan.sim.min_socket_bytes = 100;
        plan.sim.max_socket_bytes = 200;
        ScriptPlan& talker = is_upload ? connection.client : connection.server;
        ScriptPlan& reader = is_upload ? connection.server : connection.client;
        talker.size_bytes = 2'000;
        talker.max_write_bytes = 2'000;
        reader.max_read_bytes = 4;
        reader.max_pause_ms = 50;
        reader.leave = Leave::kFinishAfterPeer;
        connection.listener.idle_timeout_ms = 300;
      },
      [&](const test::AccessRecord& record) {
        REQUIRE(record.number(is_upload ? "bytes_in" : "bytes_out") == 2'000);
        REQUIRE(record.number("duration_ms") > 10'000);
      });
}

TEST_CASE("relay: a reader that has stopped is idle, and the writer with it") {
  const bool is_upload = GENERATE(true, false);
  each_seed(
      [&](ConnectionPlan& connection, RunPlan&) {
        ScriptPlan& talker = is_upload ? connection.client : connection.server;
        ScriptPlan& reader = is_upload ? connection.server : connection.client;
        talker.size_bytes = 1'000'000;
        talker.max_write_bytes = 10'000;
        reader.stall_after_bytes = 10'000;
        reader.stall_ms = util::kNever;
        reader.leave = Leave::kNever;
        connection.listener.idle_timeout_ms = 2'000;
        connection.listener.half_close_timeout_ms = 3'000;
      },
      [](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == "idle_timeout");
        // It may take two looks to see that nothing moves; what is held is then offered for
        // halfCloseTimeout once more.
        REQUIRE(record.number("duration_ms") >= 5'000);
        REQUIRE(record.number("duration_ms") < 7'200);
      });
}

TEST_CASE("relay: a half-closed connection ends after the half-close timeout") {
  const bool is_client = GENERATE(true, false);
  each_seed(
      [&](ConnectionPlan& connection, RunPlan&) {
        ScriptPlan& leaver = is_client ? connection.client : connection.server;
        ScriptPlan& stayer = is_client ? connection.server : connection.client;
        leaver.size_bytes = 5'000;
        stayer.leave = Leave::kNever;
        connection.listener.half_close_timeout_ms = 7'000;
      },
      [&](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == "half_close_timeout");
        REQUIRE(record.number(is_client ? "bytes_in" : "bytes_out") == 5'000);
        REQUIRE(record.number("duration_ms") >= 7'000);
        REQUIRE(record.number("duration_ms") < 7'500);
      });
}

TEST_CASE("relay: bytes after a half-close put its timeout off") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan&) {
        connection.client.size_bytes = 100;
        connection.server.size_bytes = 20;
        connection.server.max_write_bytes = 1;
        connection.server.max_pause_ms = 900;
        connection.listener.half_close_timeout_ms = 1'000;
      },
      [](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == "client_fin");
        REQUIRE(record.number("bytes_out") == 20);
      });
}

TEST_CASE("relay: without a half-close timeout the first FIN ends both directions") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan&) {
        connection.client.size_bytes = 3'000;
        connection.server.size_bytes = 1'000'000;
        connection.server.max_write_bytes = 1;  // it would go on for a quarter of an hour
        connection.listener.half_close_timeout_ms = 0;
      },
      [](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == "client_fin");
        REQUIRE(record.number("bytes_in") == 3'000);
        REQUIRE(record.number("duration_ms") < 5'000);
      });
}

TEST_CASE("relay: a connect that nobody answers ends in time, and the next endpoint is tried") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan&) {
        connection.endpoints = {EndpointKind::kSilent, EndpointKind::kSilent,
                                EndpointKind::kSilent};
        connection.client.leave = Leave::kNever;
        connection.client.size_bytes = 1'000;
        connection.service.connect_timeout_ms = 500;
        connection.service.retry_max_attempts = 2;
      },
      [](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == "connect_timeout");
        REQUIRE(record.close_place() == "connect");
        REQUIRE(record.number("attempts") == 2);
        REQUIRE(record.number("duration_ms") >= 1'000);
        REQUIRE(record.number("duration_ms") < 1'100);
      });
}

TEST_CASE("relay: all attempts together end with the total timeout") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan&) {
        connection.endpoints = {EndpointKind::kSilent, EndpointKind::kSilent,
                                EndpointKind::kSilent};
        connection.client.leave = Leave::kNever;
        connection.service.connect_timeout_ms = 500;
        connection.service.retry_total_timeout_ms = 700;
      },
      [](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == "connect_timeout");
        REQUIRE(record.number("attempts") == 2);
        REQUIRE(record.number("duration_ms") >= 700);
        REQUIRE(record.number("duration_ms") < 800);
      });
}

TEST_CASE("relay: one endpoint that accepts is found, and what the client said is not lost") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan&) {
        connection.endpoints = {EndpointKind::kRefusing, EndpointKind::kUnreachable,
                                EndpointKind::kAccepting};
        connection.client.size_bytes = 10'000;
        connection.server.size_bytes = 10'000;
        connection.server.leave = Leave::kFinishAfterPeer;
      },
      [](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == "client_fin");
        REQUIRE(record.number("bytes_in") == 10'000);
        REQUIRE(record.number("bytes_out") == 10'000);
        REQUIRE(record.number("attempts") <= 3);
      });
}

TEST_CASE("relay: a client that goes while its server does not answer ends the attempt") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan&) {
        connection.endpoints = {EndpointKind::kSilent};
        connection.client.size_bytes = 100;
        connection.client.leave = Leave::kReset;
        connection.client.leave_ms = 100;
        connection.service.connect_timeout_ms = 5'000;
      },
      [](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == "client_reset");
        REQUIRE(record.close_place() == "connect");
        REQUIRE(record.number("duration_ms") < 1'000);
      });
}

TEST_CASE("relay: what arrived before a reset reaches a slow reader before its RST") {
  const bool is_upload = GENERATE(true, false);
  each_seed(
      [&](ConnectionPlan& connection, RunPlan&) {
        ScriptPlan& leaver = is_upload ? connection.client : connection.server;
        ScriptPlan& reader = is_upload ? connection.server : connection.client;
        leaver.size_bytes = 100'000;
        leaver.max_write_bytes = 50'000;
        leaver.leave = Leave::kReset;
        leaver.leave_ms = 300;
        reader.max_read_bytes = 200;
        reader.max_pause_ms = 50;
        reader.leave = Leave::kNever;
      },
      [&](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == (is_upload ? "client_reset" : "server_reset"));
        REQUIRE(record.number(is_upload ? "bytes_in" : "bytes_out") > 0);
      });
}

TEST_CASE("relay: a reset is passed on to a reader that has stopped after the half-close timeout") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan&) {
        connection.client.size_bytes = 100'000;
        connection.client.leave = Leave::kReset;
        connection.client.leave_ms = 500;
        connection.server.stall_after_bytes = 1'000;
        connection.server.stall_ms = util::kNever;
        connection.server.leave = Leave::kNever;
        connection.listener.half_close_timeout_ms = 4'000;
      },
      [](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == "client_reset");
        REQUIRE(record.number("duration_ms") >= 4'500);
        REQUIRE(record.number("duration_ms") < 5'500);
      });
}

TEST_CASE("relay: a killed connection is gone at once") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan& plan) {
        connection.client.size_bytes = 1'000'000;
        connection.server.stall_ms = util::kNever;
        connection.server.stall_after_bytes = 0;
        plan.kill_ms = 700;
      },
      [](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == "killed");
        REQUIRE(record.number("duration_ms") < 750);
      });
}

}  // namespace lb::sim
