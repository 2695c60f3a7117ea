// The contract of lb/event/engine.h, one test for each rule, on every implementation: cancelling
// and polling.
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "lb/event/engine.h"
#include "lb/util/random.h"
#include "test/event/contract_world.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::test {
namespace {

using event::AcceptOp;
using event::CloseMode;
using event::Completion;
using event::ConnectOp;
using event::Op;
using event::RecvOp;
using event::SendOp;

}  // namespace

TEST_CASE("contract: a cancelled operation of any kind completes once and is free again") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  event::Engine& engine = world->engine();
  auto [fd, peer] = world->make_pair();
  const int many_fd = world->make_listener(10);
  const int one_fd = world->make_listener(10);
  const int dial_fd = engine.open_stream_socket(AF_INET);
  REQUIRE(dial_fd >= 0);
  const net::Address silent = world->silent_address();
  const std::vector<std::byte> bytes(kBlockingBytes);
  auto [poll_fd, poll_peer] = world->make_pair();
  Recorder<RecvOp> recv(*world);
  Recorder<SendOp> send(*world);
  Recorder<AcceptOp> many(*world);
  Recorder<AcceptOp> one(*world);
  Recorder<ConnectOp> connect(*world);
  Recorder<Op> poll(*world);
  engine.connect(connect.op, dial_fd, silent);
  for (int round = 1; round <= 3; ++round) {
    engine.recv(recv.op, fd, 100);
    engine.send(send.op, fd, bytes);
    engine.accept(many.op, many_fd, true);
    engine.accept(one.op, one_fd, false);
    engine.poll(poll.op, poll_fd, POLLIN);
    // Cancelled before the kernel has seen it, and after.
    if (round > 1) world->settle();
    std::vector<Op*> ops = {&recv.op, &send.op, &many.op, &one.op, &poll.op};
    if (round == 3) ops.push_back(&connect.op);
    for (Op* op : ops) {
      CHECK(op->in_flight());
      engine.cancel(*op);
      engine.cancel(*op);  // once more is the same
    }
    const auto is_over = [&] {
      return std::none_of(ops.begin(), ops.end(), [](Op* op) { return op->in_flight(); });
    };
    CHECK_FALSE(is_over());
    REQUIRE(world->run_until(is_over));
    for (const int finals : {recv.finals, send.finals, many.finals, one.finals, poll.finals}) {
      CHECK(finals == round);
    }
    for (const int32_t result : {recv.result(), many.result(), one.result(), poll.result()}) {
      CHECK(result == -ECANCELED);
    }
    CHECK((send.result() == -ECANCELED));
    // What is not in flight cannot be cancelled.
    for (Op* op : ops) engine.cancel(*op);
    world->settle();
    CHECK(recv.finals == round);
  }
  CHECK(connect.finals == 1);
  CHECK(connect.result() == -ECANCELED);
  for (const int open_fd : {fd, many_fd, one_fd, dial_fd, poll_fd}) {
    engine.close(open_fd, CloseMode::kReset);
  }
}

TEST_CASE("contract: a recv that races with its cancel has its bytes or leaves them there") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  util::Random random(test_seed());
  auto [fd, peer] = world->make_pair();
  Recorder<RecvOp> recv(*world);
  std::string bytes;
  recv.then = [&](Completion completion) {
    if (completion.result <= 0) {
      CHECK(completion.result == -ECANCELED);
      return;
    }
    const auto got = recv.op.lease.bytes();
    bytes.append(reinterpret_cast<const char*>(got.data()), got.size());
    recv.op.lease.reset();
  };
  const auto rounds = static_cast<int>(scaled(2000, 300));
  std::string sent;
  int cancelled = 0;
  for (int round = 1; round <= rounds; ++round) {
    world->engine().recv(recv.op, fd, 100);
    if (random.one_in(2)) world->turn(0);
    const std::string text = std::to_string(round) + " ";
    while (peer->write(text) != static_cast<ssize_t>(text.size())) world->turn();
    sent += text;
    if (random.one_in(2)) world->turn(0);
    world->engine().cancel(recv.op);
    REQUIRE(world->run_until([&] { return !recv.op.in_flight(); }));
    REQUIRE(recv.finals == round);
    cancelled += recv.result() == -ECANCELED ? 1 : 0;
  }
  peer->finish();
  while (bytes.size() < sent.size()) {
    world->engine().recv(recv.op, fd, 10'000);
    REQUIRE(world->run_until([&] { return !recv.op.in_flight(); }));
    REQUIRE(recv.result() > 0);
  }
  CHECK(bytes == sent);
  CHECK(cancelled > 0);
  CHECK(cancelled < rounds);
  world->engine().close(fd, CloseMode::kFin);
}

TEST_CASE("contract: a handler cancels operations that are complete, but not handed out yet") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  constexpr size_t kCount = 50;
  std::vector<World::Pair> pairs;
  std::vector<std::unique_ptr<Recorder<RecvOp>>> recvs;
  size_t received = 0;
  for (size_t i = 0; i < kCount; ++i) {
    pairs.push_back(world->make_pair());
    recvs.push_back(std::make_unique<Recorder<RecvOp>>(*world));
    recvs[i]->then = [&, i](Completion completion) {
      received += completion.result > 0 ? 1 : 0;
      recvs[i]->op.lease.reset();
      for (auto& other : recvs) world->engine().cancel(other->op);
    };
    world->engine().recv(recvs[i]->op, pairs[i].fd, 100);
  }
  world->settle();
  for (World::Pair& pair : pairs) REQUIRE(pair.peer->write("x") == 1);
  REQUIRE(world->run_until([&] {
    return std::all_of(recvs.begin(), recvs.end(), [](auto& recv) { return recv->is_done(); });
  }));
  world->settle();
  for (size_t i = 0; i < kCount; ++i) {
    CHECK(recvs[i]->finals == 1);
    CHECK((recvs[i]->result() == 1 || recvs[i]->result() == -ECANCELED));
    world->engine().close(pairs[i].fd, CloseMode::kFin);
  }
  CHECK(received >= 1);
}

TEST_CASE("contract: many more cancels at once than the submission queue holds") {
  event::EngineOptions options;
  options.submission_entries = 16;
  options.completion_entries = 64;
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE(), options);
  constexpr size_t kCount = 500;
  std::vector<World::Pair> pairs;
  std::vector<std::unique_ptr<Recorder<RecvOp>>> recvs;
  for (size_t i = 0; i < kCount; ++i) {
    pairs.push_back(world->make_pair());
    recvs.push_back(std::make_unique<Recorder<RecvOp>>(*world));
  }
  for (int round = 1; round <= 4; ++round) {
    for (size_t i = 0; i < kCount; ++i) world->engine().recv(recvs[i]->op, pairs[i].fd, 100);
    if (round > 2) world->settle();
    // Some have their bytes already, or get them at the same time.
    for (size_t i = 0; i < kCount; i += 3) {
      if (round % 2 == 0) REQUIRE(pairs[i].peer->write("x") == 1);
    }
    for (auto& recv : recvs) world->engine().cancel(recv->op);
    REQUIRE(world->run_until([&] {
      return std::none_of(recvs.begin(), recvs.end(), [](auto& r) { return r->op.in_flight(); });
    }));
    for (auto& recv : recvs) {
      REQUIRE(recv->finals == round);
      REQUIRE((recv->result() > 0 || recv->result() == -ECANCELED));
      recv->op.lease.reset();
    }
  }
  for (World::Pair& pair : pairs) world->engine().close(pair.fd, CloseMode::kReset);
}

TEST_CASE("contract: an operation may die inside its own final handler") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  struct Owner {
    explicit Owner(bool& new_gone) : gone(new_gone) { recv.bind<&Owner::on_recv>(this); }
    ~Owner() { gone = true; }
    void on_recv(Completion) { delete this; }
    RecvOp recv;
    bool& gone;
  };
  bool gone = false;
  auto* owner = new Owner(gone);
  world->engine().recv(owner->recv, fd, 100);
  REQUIRE(peer->write("x") == 1);
  REQUIRE(world->run_until([&] { return gone; }));
  CHECK(world->engine().buffers().lent() <= event::EngineOptions().buffer_ring_entries);
  world->engine().close(fd, CloseMode::kFin);
}

TEST_CASE("contract: poll tells of bytes, of room, of the end and of errors") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  event::Engine& engine = world->engine();
  auto [fd, peer] = world->make_pair();
  Recorder<Op> poll(*world);
  const auto ask = [&, fd = fd](uint32_t events) {
    engine.poll(poll.op, fd, events);
    REQUIRE(world->run_until([&] { return poll.is_done(); }));
    return static_cast<uint32_t>(poll.result());
  };
  CHECK(ask(POLLOUT) == POLLOUT);
  // Nothing to read: it waits until there is.
  engine.poll(poll.op, fd, POLLIN);
  world->settle();
  CHECK(poll.op.in_flight());
  REQUIRE(peer->write("x") == 1);
  REQUIRE(world->run_until([&] { return poll.is_done(); }));
  CHECK(poll.result() == POLLIN);
  // It reports the state, not the change.
  CHECK(ask(POLLIN) == POLLIN);
  CHECK(ask(POLLIN) == POLLIN);
  Recorder<RecvOp> recv(*world);
  engine.recv(recv.op, fd, 100);
  REQUIRE(world->run_until([&] { return recv.is_done(); }));
  recv.op.lease.reset();
  // No room: it waits for the reader.
  Recorder<SendOp> send(*world);
  const std::vector<std::byte> bytes(kBlockingBytes);
  engine.send(send.op, fd, bytes);
  world->settle();
  engine.cancel(send.op);
  REQUIRE(world->run_until([&] { return send.is_done(); }));
  engine.poll(poll.op, fd, POLLOUT);
  world->settle();
  CHECK(poll.op.in_flight());
  std::vector<std::byte> part(1'000'000);
  REQUIRE(world->run_until([&, &peer = peer] {
    while (peer->read(part) > 0) {
    }
    return poll.is_done();
  }));
  CHECK(poll.result() == POLLOUT);
  peer->finish();
  CHECK((ask(POLLIN | POLLRDHUP) & (POLLIN | POLLRDHUP)) == (POLLIN | POLLRDHUP));
  peer->reset();
  // Errors and hang-ups come whether or not they were asked for.
  CHECK((ask(0) & (POLLERR | POLLHUP)) != 0);
  engine.close(fd, CloseMode::kReset);
}

TEST_CASE("contract: poll and recv wait on one descriptor side by side") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  Recorder<Op> poll(*world);
  Recorder<RecvOp> recv(*world);
  world->engine().poll(poll.op, fd, POLLRDHUP);
  world->engine().recv(recv.op, fd, 100);
  REQUIRE(peer->write("x") == 1);
  REQUIRE(world->run_until([&] { return recv.is_done(); }));
  recv.op.lease.reset();
  world->settle();
  CHECK(poll.op.in_flight());
  world->engine().recv(recv.op, fd, 100);
  peer->finish();
  REQUIRE(world->run_until([&] { return recv.is_done() && poll.is_done(); }));
  CHECK(recv.result() == 0);
  CHECK((poll.result() & POLLRDHUP) != 0);
  world->engine().close(fd, CloseMode::kFin);
}

}  // namespace lb::test
