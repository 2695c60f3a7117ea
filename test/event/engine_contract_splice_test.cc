// The contract of lb/event/engine.h, on every implementation: bytes that go from socket to socket
// through a pipe, operation by operation.
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "lb/event/engine.h"
#include "lb/util/random.h"
#include "test/event/contract_world.h"
#include "test/event/splice_path.h"
#include "test/support/byte_stream.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::test {

TEST_CASE("splice contract: bytes come through pipes in order, then 0 for FIN, and 0 again") {
  const auto world = make_splice_world(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  SpliceReceiver receiver(*world, fd);
  receiver.start();
  CHECK(receiver.recv.results.empty());
  CHECK(receiver.recv.op.in_flight());
  std::string sent;
  for (size_t part = 0; part < 40; ++part) {
    const std::string text = bytes_of_stream(part, part * 997 + 1);
    world->write_all(*peer, text);
    sent += text;
  }
  peer->finish();
  REQUIRE(world->run_until([&] { return receiver.is_over(); }));
  CHECK(receiver.end == 0);
  CHECK(receiver.bytes == sent);
  CHECK(receiver.pipes > 0);
  CHECK(receiver.leases == 0);
  Recorder<event::RecvOp> again(*world);
  world->engine().splice_in(again.op, fd, 100);
  REQUIRE(world->run_until([&] { return again.is_done(); }));
  CHECK(again.result() == 0);
  CHECK_FALSE(again.op.pipe.is_held());
  CHECK(world->engine().pipes().lent() == 0);
  world->engine().close(fd, event::CloseMode::kFin);
}

TEST_CASE("splice contract: what comes while a splice_in waits comes through a pipe too") {
  const auto world = make_splice_world(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  for (int i = 0; i < 3; ++i) {
    Recorder<event::RecvOp> recv(*world);
    world->engine().splice_in(recv.op, fd, 100);
    world->settle();
    REQUIRE(recv.results.empty());
    world->write_all(*peer, "x");
    REQUIRE(world->run_until([&] { return recv.is_done(); }));
    CHECK(recv.result() == 1);
    CHECK(recv.op.pipe.is_held());
  }
  world->engine().close(fd, event::CloseMode::kFin);
}

TEST_CASE("splice contract: bytes and FIN that are there before are not lost") {
  const auto world = make_splice_world(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  world->write_all(*peer, "early");
  peer->finish();
  world->settle();
  SpliceReceiver receiver(*world, fd);
  receiver.start();
  REQUIRE(world->run_until([&] { return receiver.is_over(); }));
  CHECK(receiver.bytes == "early");
  CHECK(receiver.end == 0);
  world->engine().close(fd, event::CloseMode::kFin);
}

TEST_CASE("splice contract: errors arrive as completions") {
  const std::string name = SLUICE_EACH_CONTRACT_ENGINE();
  if (name == "simulated") return;  // there, using what is not open is the test's failure
  const auto world = make_splice_world(name);
  constexpr int kNotOpen = 19'999;
  auto [fd, peer] = world->make_pair();
  Recorder<event::RecvOp> full(*world);
  fill_pipe(*world, fd, *peer, full, "x");
  Recorder<event::RecvOp> recv(*world);
  Recorder<event::SendOp> send(*world);
  world->engine().splice_in(recv.op, kNotOpen, 100);
  world->engine().splice_out(send.op, kNotOpen, *full.op.pipe);
  CHECK(recv.results.empty());
  CHECK(send.results.empty());
  REQUIRE(world->run_until([&] { return recv.is_done() && send.is_done(); }));
  CHECK(recv.result() == -EBADF);
  CHECK(send.result() == -EBADF);
  full.op.pipe.reset();
  CHECK(world->engine().pipes().lent() == 0);
  world->engine().close(fd, event::CloseMode::kReset);
}

TEST_CASE("splice contract: where no pipe is free the bytes come in a buffer") {
  const auto world = make_splice_world(SLUICE_EACH_CONTRACT_ENGINE(), 1);
  auto [busy_fd, busy_peer] = world->make_pair();
  auto [fd, peer] = world->make_pair();
  Recorder<event::RecvOp> busy(*world);
  fill_pipe(*world, busy_fd, *busy_peer, busy, "h");
  SpliceReceiver receiver(*world, fd, 7);
  receiver.start();
  world->write_all(*peer, "through a buffer");
  REQUIRE(world->run_until([&] { return receiver.bytes.size() == 16; }));
  CHECK(receiver.bytes == "through a buffer");
  CHECK(receiver.pipes == 0);
  CHECK(receiver.biggest_lease <= 7);
  // The next one after the pipe has come back may have it.
  CHECK(take_bytes(busy.op) == "h");
  for (int i = 0; i < 20 && receiver.pipes == 0; ++i) {
    world->write_all(*peer, "more");
    const size_t size_bytes = 16 + 4 * (static_cast<size_t>(i) + 1);
    REQUIRE(world->run_until([&] { return receiver.bytes.size() == size_bytes; }));
  }
  CHECK(receiver.pipes > 0);
  peer->finish();
  REQUIRE(world->run_until([&] { return receiver.is_over(); }));
  CHECK(receiver.end == 0);
  world->engine().close(fd, event::CloseMode::kFin);
  world->engine().close(busy_fd, event::CloseMode::kFin);
}

TEST_CASE("splice contract: without any pipe it is a recv, waits for a buffer included") {
  event::EngineOptions options;
  options.max_buffers = 1;
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE(), options);
  auto [busy_fd, busy_peer] = world->make_pair();
  auto [fd, peer] = world->make_pair();
  Recorder<event::RecvOp> busy(*world);
  world->write_all(*busy_peer, "held");
  world->engine().recv(busy.op, busy_fd, 100);
  REQUIRE(world->run_until([&] { return busy.is_done(); }));
  Recorder<event::RecvOp> recv(*world);
  world->engine().splice_in(recv.op, fd, 100);
  world->write_all(*peer, "w");
  world->settle();
  CHECK_FALSE(recv.is_done());
  busy.op.lease.reset();
  REQUIRE(world->run_until([&] { return recv.is_done(); }));
  CHECK(take_bytes(recv.op) == "w");
  // Cancelled while it waits for one.
  Recorder<event::RecvOp> again(*world);
  world->write_all(*busy_peer, "held");
  world->engine().recv(busy.op, busy_fd, 100);
  REQUIRE(world->run_until([&] { return busy.is_done(); }));
  world->write_all(*peer, "n");  // not taken
  world->engine().splice_in(again.op, fd, 100);
  world->settle();
  world->engine().cancel(again.op);
  REQUIRE(world->run_until([&] { return again.is_done(); }));
  CHECK(again.result() == -ECANCELED);
  busy.op.lease.reset();
  world->engine().splice_in(again.op, fd, 100);
  REQUIRE(world->run_until([&] { return again.is_done(); }));
  CHECK(take_bytes(again.op) == "n");
  world->engine().close(fd, event::CloseMode::kReset);
  world->engine().close(busy_fd, event::CloseMode::kReset);
}

TEST_CASE("splice contract: a reset is -ECONNRESET, after what came before it") {
  const auto world = make_splice_world(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  SpliceReceiver receiver(*world, fd);
  world->write_all(*peer, "last words");
  peer->reset();
  world->settle();
  receiver.start();
  REQUIRE(world->run_until([&] { return receiver.is_over(); }));
  CHECK(receiver.bytes == "last words");
  CHECK(receiver.end == -ECONNRESET);
  world->engine().close(fd, event::CloseMode::kReset);
}

TEST_CASE("splice contract: a reset ends the splices that wait, on either side") {
  const auto world = make_splice_world(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  auto [source_fd, source] = world->make_pair();
  clog(*world, fd);
  Recorder<event::RecvOp> full(*world);
  fill_pipe(*world, source_fd, *source, full, "never delivered");
  Recorder<event::RecvOp> recv(*world);
  Recorder<event::SendOp> send(*world);
  world->engine().splice_in(recv.op, fd, 100);
  world->engine().splice_out(send.op, fd, *full.op.pipe);
  world->settle();
  CHECK_FALSE(send.is_done());
  CHECK_FALSE(recv.is_done());
  peer->reset();
  REQUIRE(world->run_until([&] { return recv.is_done() && send.is_done(); }));
  CHECK((send.result() == -ECONNRESET || recv.result() == -ECONNRESET));
  CHECK((send.result() == -ECONNRESET || send.result() == -EPIPE));
  CHECK((recv.result() == -ECONNRESET || recv.result() == 0));
  CHECK(recv.finals == 1);
  CHECK(send.finals == 1);
  CHECK(full.op.pipe->held_bytes() > 0);
  full.op.pipe.reset();
  CHECK(world->engine().pipes().lent() == 0);
  world->engine().close(fd, event::CloseMode::kReset);
  world->engine().close(source_fd, event::CloseMode::kReset);
}

TEST_CASE("splice contract: a dirty pipe is closed when its lease is dropped") {
  const auto world = make_splice_world(SLUICE_EACH_CONTRACT_ENGINE());
  event::PipePool& pool = world->engine().pipes();
  auto [fd, peer] = world->make_pair();
  Recorder<event::RecvOp> recv(*world);
  fill_pipe(*world, fd, *peer, recv, "d");
  const std::array<int, 2> fds = {recv.op.pipe->read_fd(), recv.op.pipe->write_fd()};
  const uint32_t open_before = pool.open();
  recv.op.pipe.reset();
  CHECK(pool.open() == open_before - 1);
  for (const int pipe_fd : fds) CHECK(::fcntl(pipe_fd, F_GETFD) == -1);
  // And what comes next is what comes next.
  fill_pipe(*world, fd, *peer, recv, "c");
  CHECK(take_bytes(recv.op) == "c");
  CHECK(pool.lent() == 0);
  world->engine().close(fd, event::CloseMode::kFin);
}

TEST_CASE("splice contract: a splice_in that is cancelled leaves what it has not taken") {
  const auto world = make_splice_world(SLUICE_EACH_CONTRACT_ENGINE());
  util::Random random(test_seed());
  auto [fd, peer] = world->make_pair();
  Recorder<event::RecvOp> recv(*world);
  std::string bytes;
  recv.then = [&](event::Completion completion) {
    if (completion.result <= 0) {
      CHECK(completion.result == -ECANCELED);
      CHECK_FALSE(recv.op.pipe.is_held());
    }
    bytes += take_bytes(recv.op);
  };
  const auto rounds = static_cast<int>(scaled(2000, 300));
  std::string sent;
  int cancelled = 0;
  for (int round = 1; round <= rounds; ++round) {
    // Any of the two, so that each leaves to the other what it has not taken.
    if (random.one_in(4)) {
      world->engine().recv(recv.op, fd, 100);
    } else {
      world->engine().splice_in(recv.op, fd, 100);
    }
    if (random.one_in(2)) world->turn(0);
    const std::string text = std::to_string(round) + " ";
    while (peer->write(text) != static_cast<ssize_t>(text.size())) world->turn();
    sent += text;
    if (random.one_in(2)) world->turn(0);
    world->engine().cancel(recv.op);
    world->engine().cancel(recv.op);
    REQUIRE(world->run_until([&] { return !recv.op.in_flight(); }));
    REQUIRE(recv.finals == round);
    cancelled += recv.result() == -ECANCELED ? 1 : 0;
  }
  peer->finish();
  while (bytes.size() < sent.size()) {
    world->engine().splice_in(recv.op, fd, 10'000);
    REQUIRE(world->run_until([&] { return !recv.op.in_flight(); }));
    REQUIRE(recv.result() > 0);
  }
  CHECK(bytes == sent);
  CHECK(cancelled > 0);
  CHECK(cancelled < rounds);
  CHECK(world->engine().pipes().lent() == 0);
  world->engine().close(fd, event::CloseMode::kFin);
}

TEST_CASE("splice contract: a waiting splice_out ends with room, or cancelled with the rest kept") {
  const auto world = make_splice_world(SLUICE_EACH_CONTRACT_ENGINE());
  event::Engine& engine = world->engine();
  auto [fd, peer] = world->make_pair();
  auto [source_fd, source] = world->make_pair();
  const uint64_t clogged_bytes = clog(*world, fd);
  const std::string text = bytes_of_stream(5, 1500);
  Recorder<event::RecvOp> full(*world);
  fill_pipe(*world, source_fd, *source, full, text);
  const auto held_bytes = static_cast<int32_t>(full.op.pipe->held_bytes());
  Recorder<event::SendOp> send(*world);
  for (int round = 1; round <= 3; ++round) {
    const auto left = static_cast<int32_t>(full.op.pipe->held_bytes());
    engine.splice_out(send.op, fd, *full.op.pipe);
    if (round > 1) world->settle();  // cancelled before anybody tried, and after
    CHECK_FALSE(send.is_done());
    engine.cancel(send.op);
    engine.cancel(send.op);
    REQUIRE(world->run_until([&] { return send.is_done(); }));
    world->settle();
    CHECK(send.finals == round);
    CHECK(send.result() == -ECANCELED);
    CHECK(left - static_cast<int32_t>(send.op.sent_bytes) ==
          static_cast<int32_t>(full.op.pipe->held_bytes()));
  }
  const auto left = static_cast<int32_t>(full.op.pipe->held_bytes());
  engine.splice_out(send.op, fd, *full.op.pipe);
  world->settle();
  CHECK_FALSE(send.is_done());
  world->read_exactly(*peer, clogged_bytes);
  CHECK(world->read_exactly(*peer, static_cast<size_t>(held_bytes)) ==
        text.substr(0, static_cast<size_t>(held_bytes)));
  REQUIRE(world->run_until([&] { return send.is_done(); }));
  CHECK(send.result() == left);
  CHECK(full.op.pipe->held_bytes() == 0);
  const uint32_t open_before = engine.pipes().open();
  full.op.pipe.reset();
  CHECK(engine.pipes().open() == open_before);  // clean, so it is kept
  engine.close(fd, event::CloseMode::kFin);
  engine.close(source_fd, event::CloseMode::kReset);
}

}  // namespace lb::test
