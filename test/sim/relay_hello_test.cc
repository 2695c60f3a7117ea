// Simulated relays to servers that are to be told what their clients say in TLS: the header waits
// for the ClientHello, and for nothing that does not come.
#include "test/sim/relay_story.h"
#include "test/support/catch.h"
#include "test/support/client_hello.h"

namespace lb::sim {

using Leave = ScriptPlan::Leave;

namespace {

const std::string& hello() {
  static const std::string text =
      test::make_client_hello({.server_name = "www.example.com", .protocols = {"h2", "http/1.1"}});
  return text;
}

void want_tls(ConnectionPlan& connection) {
  connection.service.proxy_header = {config::ProxyVersion::kV2,
                                     {.authority = true, .alpn = true, .unique_id = true}};
}

// The client's hello, and what follows it.
void say_hello(ConnectionPlan& connection) {
  want_tls(connection);
  connection.client.opening = hello();
  connection.client.size_bytes = hello().size() + 300;
  connection.tls = {"www.example.com", "h2"};
}

}  // namespace

TEST_CASE("hello: its facts are in the header, and its bytes behind that, however it is cut") {
  const bool server_speaks = GENERATE(true, false);
  const size_t write_bytes = GENERATE(as<size_t>(), 1, 40, 10'000);
  each_seed(
      [&](ConnectionPlan& connection, RunPlan& plan) {
        say_hello(connection);
        connection.client.max_write_bytes = write_bytes;
        connection.server.size_bytes = server_speaks ? 500 : 0;
        connection.server.leave = Leave::kFinishAfterPeer;
        plan.is_benign = true;
        plan.splice =
            plan.sim.seed % 2 == 0 ? config::SpliceMode::kAlways : config::SpliceMode::kAuto;
        plan.engine.max_pipes = 8;
      },
      [](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == "client_fin");
        REQUIRE(record.number("bytes_in") == static_cast<int64_t>(hello().size() + 300));
        REQUIRE(record.number("duration_ms") < 4'000);
      });
}

TEST_CASE("hello: who says something else is not waited for") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan& plan) {
        want_tls(connection);
        connection.client.opening = plan.sim.seed % 2 == 0 ? "G" : "\x16\x03\x09 is none";
        connection.client.size_bytes = connection.client.opening.size();
        connection.client.leave = Leave::kFinishAfterPeer;
        connection.server.leave = Leave::kFinishAfterHead;
      },
      [](const test::AccessRecord& record, const RelayRun& run) {
        REQUIRE(record.close_word() == "server_fin");
        REQUIRE(run.has_preamble(0));
        REQUIRE(record.number("duration_ms") < 500);
      });
}

TEST_CASE("hello: a client that says nothing, or a part of it, is waited for so long") {
  const bool says_some = GENERATE(true, false);
  each_seed(
      [&](ConnectionPlan& connection, RunPlan&) {
        want_tls(connection);
        connection.client.opening = hello();
        connection.client.size_bytes = says_some ? 20 : 0;
        connection.client.leave = Leave::kFinishAfterPeer;
        connection.server.size_bytes = 100;
        connection.server.leave = Leave::kFinishAfterHead;
      },
      [&](const test::AccessRecord& record, const RelayRun& run) {
        REQUIRE(record.close_word() == "server_fin");
        REQUIRE(run.has_preamble(0));
        REQUIRE(record.number("first_byte_ms") < 500);  // the server's are not held up
        REQUIRE(record.number("duration_ms") >= 5'000);
        REQUIRE(record.number("duration_ms") < 5'500);
        REQUIRE(record.number("bytes_in") == (says_some ? 20 : 0));
      });
}

TEST_CASE("hello: one that the socket has no room for is not waited for longer than others") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan& plan) {
        say_hello(connection);
        connection.tls = {};
        connection.server.leave = Leave::kFinishAfterPeer;
        plan.is_benign = true;
        plan.sim.min_socket_bytes = 1;
        plan.sim.max_socket_bytes = 50;
      },
      [](const test::AccessRecord& record, const RelayRun& run) {
        REQUIRE(record.close_word() == "client_fin");
        REQUIRE(record.number("bytes_in") == static_cast<int64_t>(hello().size() + 300));
        REQUIRE(record.number("duration_ms") >= 5'000);
        // It looks every 10 ms, not as often as the socket says that there is something.
        REQUIRE(run.modes().polls < 5'000 / 10 + 50);
      });
}

TEST_CASE("hello: what came of one goes on when the rest has not come in time") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan& plan) {
        want_tls(connection);
        connection.client.opening = hello();
        connection.client.size_bytes = 20;
        connection.client.leave = Leave::kNever;
        connection.server.leave = Leave::kNever;
        plan.kill_ms = 7'000;
      },
      [](const test::AccessRecord& record, const RelayRun& run) {
        REQUIRE(record.close_word() == "killed");
        REQUIRE(run.has_preamble(0));
        REQUIRE(record.number("bytes_in") == 20);
      });
}

TEST_CASE("hello: a client that ends before it is whole is relayed as far as it came") {
  const bool is_reset = GENERATE(true, false);
  const size_t size_bytes = GENERATE(as<size_t>(), 0, 1, 100);
  each_seed(
      [&](ConnectionPlan& connection, RunPlan&) {
        want_tls(connection);
        connection.client.opening = hello();
        connection.client.size_bytes = size_bytes;
        connection.client.leave = is_reset ? Leave::kReset : Leave::kFinish;
        connection.client.leave_ms = 500;
        connection.server.leave = is_reset ? Leave::kNever : Leave::kFinishAfterPeer;
        connection.listener.half_close_timeout_ms = 60'000;
      },
      [&](const test::AccessRecord& record, const RelayRun& run) {
        REQUIRE(record.close_word() == (is_reset ? "client_reset" : "client_fin"));
        REQUIRE(record.number("duration_ms") < 1'500);
        if (is_reset) return;
        REQUIRE(run.has_preamble(0));
        REQUIRE(record.number("bytes_in") == static_cast<int64_t>(size_bytes));
      });
}

TEST_CASE("hello: whole, it is told even when the client has ended with it") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan&) {
        say_hello(connection);
        connection.client.size_bytes = hello().size();
        connection.client.max_write_bytes = 10'000;
        connection.server.leave = Leave::kFinishAfterPeer;
      },
      [](const test::AccessRecord& record, const RelayRun& run) {
        REQUIRE(record.close_word() == "client_fin");
        REQUIRE(run.has_preamble(0));
      });
}

TEST_CASE("hello: goes to the endpoint that accepts, after others") {
  each_seed(
      [](ConnectionPlan& connection, RunPlan&) {
        say_hello(connection);
        connection.endpoints = {EndpointKind::kRefusing, EndpointKind::kUnreachable,
                                EndpointKind::kAccepting};
        connection.server.leave = Leave::kFinishAfterPeer;
      },
      [](const test::AccessRecord& record, const RelayRun& run) {
        REQUIRE(record.close_word() == "client_fin");
        REQUIRE(run.has_preamble(0));
      });
}

TEST_CASE("hello: nobody is kept by it who has to go") {
  const bool says_some = GENERATE(true, false);
  const auto* const how = GENERATE("killed", "endpoint_down", "server_reset", "connect_refused");
  each_seed(
      [&](ConnectionPlan& connection, RunPlan& plan) {
        want_tls(connection);
        connection.client.opening = hello();
        connection.client.size_bytes = says_some ? 100 : 0;
        connection.client.leave = Leave::kNever;
        connection.server.leave = Leave::kNever;
        const std::string_view word = how;
        if (word == "killed") plan.kill_ms = 1'000;
        if (word == "endpoint_down") plan.down_ms = 1'000;
        if (word == "connect_refused") connection.endpoints = {EndpointKind::kRefusing};
        if (word == "server_reset") {
          connection.server.leave = Leave::kReset;
          connection.server.leave_ms = 1'000;
        }
      },
      [&](const test::AccessRecord& record) {
        REQUIRE(record.close_word() == how);
        REQUIRE(record.number("duration_ms") < 1'500);
        REQUIRE(record.number("bytes_in") == 0);
      });
}

TEST_CASE(
    "hello: a timeout while it is awaited, and a server's FIN that is one, end with a header") {
  const bool says_some = GENERATE(true, false);
  const bool is_fin = GENERATE(true, false);
  each_seed(
      [&](ConnectionPlan& connection, RunPlan&) {
        want_tls(connection);
        connection.client.opening = hello();
        connection.client.size_bytes = says_some ? 100 : 0;
        connection.client.leave = Leave::kNever;
        connection.server.leave = is_fin ? Leave::kFinish : Leave::kNever;
        connection.listener.idle_timeout_ms = 1'000;
        connection.listener.half_close_timeout_ms = is_fin ? 0 : 60'000;
      },
      [&](const test::AccessRecord& record, const RelayRun& run) {
        REQUIRE(record.close_word() == (is_fin ? "server_fin" : "idle_timeout"));
        REQUIRE(record.number("duration_ms") < 1'500);
        REQUIRE(record.number("duration_ms") >= (is_fin ? 0 : 1'000));
        REQUIRE(run.has_preamble(0));
      });
}

}  // namespace lb::sim
