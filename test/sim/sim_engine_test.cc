// The simulated engine watches its users: each misuse is noticed, and a seed is a run.
#include "test/sim/sim_engine.h"

#include <poll.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "test/sim/relay_run.h"
#include "test/support/catch.h"
#include "test/support/scale.h"
#include "test/support/socket.h"

namespace lb::sim {
namespace {

using event::CloseMode;
using event::Completion;

// A network whose failures are collected, with an engine and one connection.
struct Fixture {
  Fixture() : network(SimOptions{.seed = 42}, 1000) {
    network.set_failure_handler([this](const std::string& what) { failures.push_back(what); });
    engine = std::make_unique<SimEngine>(network, event::EngineOptions());
    std::tie(fd, far) = network.make_connection(test::ip_address("192.0.2.1", 80),
                                                test::ip_address("192.0.2.2", 1));
    recv.bind<&Fixture::on_end>(this);
    second_recv.bind<&Fixture::on_end>(this);
    send.bind<&Fixture::on_end>(this);
  }
  void on_end(Completion completion) { results.push_back(completion.result); }

  void run(int turns = 200) {
    for (int turn = 0; turn < turns; ++turn) engine->run_once(engine->now_ms() + 10);
  }
  // Ends what a test has left under way.
  void finish() {
    engine->cancel(recv);
    engine->cancel(second_recv);
    engine->cancel(send);
    run();
  }
  bool has_failed(const std::string& what) const {
    return failures.size() == 1 && failures[0].find(what) != std::string::npos;
  }

  std::vector<std::string> failures;
  SimNetwork network;
  std::unique_ptr<SimEngine> engine;
  int fd = -1;
  SimSocket* far = nullptr;
  event::RecvOp recv;
  event::RecvOp second_recv;
  event::SendOp send;
  std::vector<int32_t> results;
};

}  // namespace

TEST_CASE("sim: a descriptor that is closed twice, or used after, is noticed") {
  Fixture sim;
  sim.engine->close(sim.fd, CloseMode::kFin);
  CHECK(sim.failures.empty());
  CHECK(sim.network.open_fds() == 0);
  sim.engine->close(sim.fd, CloseMode::kFin);
  CHECK(sim.has_failed("not open"));
  sim.failures.clear();
  sim.engine->recv(sim.recv, sim.fd, 100);
  CHECK(sim.has_failed("not open"));
  sim.failures.clear();
  sim.finish();
  sim.failures.clear();
  sim.engine->local_address(sim.fd);
  CHECK(sim.has_failed("not open"));
}

TEST_CASE("sim: a descriptor that is closed with an operation in flight is noticed") {
  Fixture sim;
  sim.engine->recv(sim.recv, sim.fd, 100);
  sim.engine->close(sim.fd, CloseMode::kFin);
  CHECK(sim.has_failed("in flight"));
  sim.finish();
}

TEST_CASE("sim: two shutdowns of one descriptor are noticed, after a RST as well") {
  Fixture sim;
  sim.engine->shutdown_write(sim.fd);
  CHECK(sim.failures.empty());
  sim.far->close(CloseMode::kReset);
  sim.run();
  sim.engine->shutdown_write(sim.fd);
  CHECK(sim.has_failed("shut twice"));
}

TEST_CASE("sim: two receives on one descriptor are noticed") {
  Fixture sim;
  sim.engine->recv(sim.recv, sim.fd, 100);
  sim.engine->recv(sim.second_recv, sim.fd, 100);
  CHECK(sim.has_failed("two operations"));
  sim.finish();
}

TEST_CASE("sim: bytes that change while they are being sent are noticed") {
  Fixture sim;
  std::vector<std::byte> bytes(200'000, std::byte{1});
  sim.engine->send(sim.send, sim.fd, bytes);
  sim.run(20);
  CHECK(sim.failures.empty());
  bytes[100] = std::byte{2};
  std::vector<std::byte> out(1000);
  for (int i = 0; i < 50 && sim.failures.empty(); ++i) {
    sim.far->recv(out);
    sim.run(10);
  }
  REQUIRE_FALSE(sim.failures.empty());
  CHECK(sim.failures[0].find("changed") != std::string::npos);
  sim.finish();
}

TEST_CASE("sim: bytes of a buffer that was given back are written over") {
  Fixture sim;
  const std::string text = "the bytes of a lease";
  sim.far->send(std::as_bytes(std::span(text)));
  sim.engine->recv(sim.recv, sim.fd, 100);
  sim.run();
  REQUIRE(sim.recv.lease.is_held());
  const std::byte* const stale = sim.recv.lease.data();
  CHECK(static_cast<char>(stale[0]) == 't');
  sim.recv.lease.reset();
  sim.run(1);
  CHECK(stale[0] == std::byte{0xdd});
}

TEST_CASE("sim: an engine that is destroyed with operations in flight is noticed") {
  Fixture sim;
  sim.engine->recv(sim.recv, sim.fd, 100);
  sim.engine.reset();
  CHECK(sim.has_failed("1 operations in flight"));
}

TEST_CASE("sim: bytes for a socket that was closed come back as a RST") {
  Fixture sim;
  sim.engine->close(sim.fd, CloseMode::kFin);
  sim.run();
  std::vector<std::byte> bytes(10);
  CHECK(sim.far->recv(bytes) == 0);
  CHECK(sim.far->send(bytes) == 10);
  sim.run();
  // After a FIN it is EPIPE, and reading sees the FIN still.
  CHECK(sim.far->was_reset());
  CHECK(sim.far->send(bytes) == -EPIPE);
  CHECK(sim.far->recv(bytes) == 0);
}

TEST_CASE("sim: a close with unread bytes is a RST") {
  Fixture sim;
  std::vector<std::byte> bytes(10);
  CHECK(sim.far->send(bytes) == 10);
  sim.run();
  sim.engine->close(sim.fd, CloseMode::kFin);
  sim.run();
  CHECK(sim.far->recv(bytes) == -ECONNRESET);
  CHECK(sim.far->recv(bytes) == 0);  // told once
}

TEST_CASE("sim: the same seed is the same run") {
  const uint64_t seed = test::test_seed();
  for (uint64_t i = 0; i < 20; ++i) {
    RelayRun one(RunPlan::make(seed + i));
    RelayRun two(RunPlan::make(seed + i));
    CHECK(one.run() == two.run());
    CHECK(one.summary() == two.summary());
    CHECK_FALSE(one.summary().empty());
  }
}

}  // namespace lb::sim
