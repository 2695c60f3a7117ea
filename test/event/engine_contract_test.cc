// The contract of lb/event/engine.h, one test for each rule, on every implementation: submitting,
// receiving and sending. Cancelling, accepting and the loop have files of their own.
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "lb/event/engine.h"
#include "test/event/contract_world.h"
#include "test/support/byte_stream.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::test {
namespace {

using event::AcceptOp;
using event::CloseMode;
using event::Completion;
using event::Op;
using event::RecvOp;
using event::SendOp;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

bool is_reset_error(int32_t result) { return result == -ECONNRESET || result == -EPIPE; }

}  // namespace

TEST_CASE("contract: submitting calls no handler, and an operation is in flight from then on") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  event::Engine& engine = world->engine();
  auto [fd, peer] = world->make_pair();
  world->write_all(*peer, "there already");
  Recorder<RecvOp> recv(*world);
  Recorder<SendOp> send(*world);
  CHECK_FALSE(recv.op.in_flight());
  engine.recv(recv.op, fd, 100);
  engine.send(send.op, fd, bytes_of("hello"));
  CHECK(recv.op.in_flight());
  CHECK(send.op.in_flight());
  CHECK(recv.results.empty());
  CHECK(send.results.empty());
  REQUIRE(world->run_until([&] { return recv.is_done() && send.is_done(); }));
  CHECK(recv.result() > 0);
  CHECK(send.result() == 5);
  CHECK(world->read_exactly(*peer, 5) == "hello");
  recv.op.lease.reset();
  engine.close(fd, CloseMode::kFin);
}

TEST_CASE("contract: errors arrive as completions") {
  const std::string name = SLUICE_EACH_CONTRACT_ENGINE();
  if (name == "simulated") return;  // there, using what is not open is the test's failure
  const auto world = World::make(name);
  constexpr int kNotOpen = 19'999;
  Recorder<RecvOp> recv(*world);
  Recorder<SendOp> send(*world);
  Recorder<Op> poll(*world);
  Recorder<AcceptOp> accept(*world);
  world->engine().recv(recv.op, kNotOpen, 100);
  world->engine().send(send.op, kNotOpen, bytes_of("x"));
  world->engine().poll(poll.op, kNotOpen, POLLIN);
  CHECK(recv.results.empty());
  CHECK(send.results.empty());
  CHECK(poll.results.empty());
  REQUIRE(world->run_until([&] { return recv.is_done() && send.is_done() && poll.is_done(); }));
  CHECK(recv.result() == -EBADF);
  CHECK(send.result() == -EBADF);
  CHECK(poll.result() == -EBADF);
  world->engine().accept(accept.op, kNotOpen, true);
  REQUIRE(world->run_until([&] { return accept.is_done(); }));
  CHECK(accept.result() == -EBADF);
}

TEST_CASE("contract: recv gives the bytes in order, then 0 for FIN, and 0 again") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  Receiver receiver(*world, fd);
  receiver.start();
  std::string sent;
  ByteStream stream(1);
  for (int part = 0; part < 40; ++part) {
    std::string text(static_cast<size_t>(part) * 997 + 1, '\0');
    stream.fill(std::as_writable_bytes(std::span(text)));
    world->write_all(*peer, text);
    sent += text;
  }
  peer->finish();
  REQUIRE(world->run_until([&] { return receiver.is_over(); }));
  CHECK(receiver.end == 0);
  CHECK(receiver.bytes == sent);
  Recorder<RecvOp> again(*world);
  world->engine().recv(again.op, fd, 100);
  REQUIRE(world->run_until([&] { return again.is_done(); }));
  CHECK(again.result() == 0);
  CHECK_FALSE(again.op.lease.is_held());
  world->engine().close(fd, CloseMode::kFin);
}

TEST_CASE("contract: bytes and FIN that are there before the first recv are not lost") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  world->write_all(*peer, "early");
  peer->finish();
  world->settle();
  Receiver receiver(*world, fd);
  receiver.start();
  REQUIRE(world->run_until([&] { return receiver.is_over(); }));
  CHECK(receiver.bytes == "early");
  CHECK(receiver.end == 0);
  world->engine().close(fd, CloseMode::kFin);
}

TEST_CASE("contract: recv never gives more than max_bytes or a buffer holds") {
  event::EngineOptions options;
  options.buffer_size_bytes = 4096;
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE(), options);
  for (const uint32_t max_bytes : {1U, 7U, 4096U, UINT32_MAX}) {
    auto [fd, peer] = world->make_pair();
    Receiver receiver(*world, fd, max_bytes);
    receiver.start();
    const std::string text(max_bytes == 1 ? 500 : 50'000, 'x');
    world->write_all(*peer, text);
    peer->finish();
    REQUIRE(world->run_until([&] { return receiver.is_over(); }));
    CHECK(receiver.bytes == text);
    CHECK(receiver.biggest <= std::min(max_bytes, 4096U));
    world->engine().close(fd, CloseMode::kFin);
  }
}

TEST_CASE("contract: a reset is -ECONNRESET, after what came before it") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  Receiver receiver(*world, fd, 3);
  world->write_all(*peer, "last words");
  peer->reset();
  world->settle();
  receiver.start();
  REQUIRE(world->run_until([&] { return receiver.is_over(); }));
  CHECK(receiver.bytes == "last words");
  CHECK(receiver.end == -ECONNRESET);
  world->engine().close(fd, CloseMode::kReset);
}

TEST_CASE("contract: a reset ends the recv and the send that wait") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  Recorder<RecvOp> recv(*world);
  Recorder<SendOp> send(*world);
  const std::vector<std::byte> bytes(kBlockingBytes);
  world->engine().recv(recv.op, fd, 100);
  world->engine().send(send.op, fd, bytes);
  world->settle();
  CHECK_FALSE(send.is_done());
  CHECK_FALSE(recv.is_done());
  peer->reset();
  REQUIRE(world->run_until([&] { return recv.is_done() && send.is_done(); }));
  // Whoever comes first is told; for the other one the connection has simply ended.
  CHECK((send.result() == -ECONNRESET || recv.result() == -ECONNRESET));
  CHECK(is_reset_error(send.result()));
  CHECK((recv.result() == -ECONNRESET || recv.result() == 0));
  world->engine().close(fd, CloseMode::kReset);
}

TEST_CASE("contract: a send after a reset fails, and has the error if nobody was told before") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  world->write_all(*peer, "unread");
  peer->reset();
  REQUIRE(world->run_until([&, fd = fd] {
    Recorder<Op> poll(*world);
    world->engine().poll(poll.op, fd, POLLIN);
    REQUIRE(world->run_until([&] { return poll.is_done(); }));
    return (poll.result() & POLLHUP) != 0;
  }));
  for (const int32_t expected : {-ECONNRESET, -EPIPE}) {
    Recorder<SendOp> send(*world);
    world->engine().send(send.op, fd, bytes_of("too late"));
    REQUIRE(world->run_until([&] { return send.is_done(); }));
    CHECK(send.result() == expected);
  }
  // The error has been told: what is left is readable, and its end looks like a FIN.
  Receiver receiver(*world, fd);
  receiver.start();
  REQUIRE(world->run_until([&] { return receiver.is_over(); }));
  CHECK(receiver.bytes == "unread");
  CHECK(receiver.end == 0);
  world->engine().close(fd, CloseMode::kReset);
}

TEST_CASE("contract: a send of 50 MB to a slow reader completes once, when everything was sent") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  std::vector<std::byte> bytes(scaled(kBlockingBytes, kBlockingBytes / 5));
  ByteStream(7).fill(bytes);
  Recorder<SendOp> send(*world);
  world->engine().send(send.op, fd, bytes);
  world->settle();
  CHECK_FALSE(send.is_done());
  std::vector<std::byte> part(300'000);
  ByteStream expected(7);
  size_t read_when_done = 0;
  REQUIRE(world->run_until([&, &peer = peer] {
    // One read a turn: the reader is the slower one.
    const ssize_t read = peer->read(part);
    if (read > 0) CHECK(expected.matches(std::span(part).first(static_cast<size_t>(read))));
    if (!send.is_done()) read_when_done = expected.offset();
    return expected.offset() == bytes.size();
  }));
  REQUIRE(world->run_until([&] { return send.is_done(); }));
  CHECK(send.finals == 1);
  CHECK(send.result() == static_cast<int32_t>(bytes.size()));
  // What was not read when it was done had found room in the sockets.
  CHECK(bytes.size() - read_when_done < 12'000'000);
  world->engine().close(fd, CloseMode::kFin);
}

TEST_CASE("contract: an empty send completes with 0") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  Recorder<SendOp> send(*world);
  world->engine().send(send.op, fd, {});
  REQUIRE(world->run_until([&] { return send.is_done(); }));
  CHECK(send.result() == 0);
  world->engine().close(fd, CloseMode::kFin);
}

TEST_CASE("contract: both directions of a descriptor work at a time, from inside the handlers") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  // What arrives is sent back from the handler; the next recv is asked for when it has gone.
  Recorder<RecvOp> recv(*world);
  Recorder<SendOp> send(*world);
  bool saw_fin = false;
  recv.then = [&, fd = fd](Completion completion) {
    saw_fin = completion.result == 0;
    if (completion.result > 0) world->engine().send(send.op, fd, recv.op.lease.bytes());
  };
  send.then = [&, fd = fd](Completion completion) {
    CHECK(completion.result == recv.result());
    recv.op.lease.reset();
    world->engine().recv(recv.op, fd, UINT32_MAX);
  };
  world->engine().recv(recv.op, fd, UINT32_MAX);
  constexpr size_t kTotalBytes = 2'000'000;
  ByteStream out(3);
  ByteStream back(3);
  std::vector<std::byte> chunk;
  std::vector<std::byte> part(100'000);
  REQUIRE(world->run_until([&, &peer = peer] {
    if (chunk.empty() && out.offset() < kTotalBytes) {
      chunk.resize(10'000);
      out.fill(chunk);
    }
    const ssize_t written = chunk.empty() ? 0 : peer->write(chunk);
    if (written > 0) chunk.erase(chunk.begin(), chunk.begin() + written);
    const ssize_t read = peer->read(part);
    if (read > 0) CHECK(back.matches(std::span(part).first(static_cast<size_t>(read))));
    return back.offset() == kTotalBytes;
  }));
  peer->finish();
  REQUIRE(world->run_until([&] { return saw_fin; }));
  world->engine().close(fd, CloseMode::kFin);
}

TEST_CASE("contract: close ends with FIN or RST as it was told") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  {
    auto [fd, peer] = world->make_pair();
    Recorder<SendOp> send(*world);
    world->engine().send(send.op, fd, bytes_of("bye"));
    REQUIRE(world->run_until([&] { return send.is_done(); }));
    world->engine().close(fd, CloseMode::kFin);
    CHECK(world->read_exactly(*peer, 3) == "bye");
    CHECK(world->read_end(*peer) == 0);
  }
  {
    auto [fd, peer] = world->make_pair();
    world->engine().close(fd, CloseMode::kReset);
    CHECK(world->read_end(*peer) == -ECONNRESET);
  }
  {
    auto [fd, peer] = world->make_pair();
    world->engine().shutdown_write(fd);
    CHECK(world->read_end(*peer) == 0);
    // The other direction goes on.
    Receiver receiver(*world, fd);
    receiver.start();
    world->write_all(*peer, "still here");
    peer->finish();
    REQUIRE(world->run_until([&] { return receiver.is_over(); }));
    CHECK(receiver.bytes == "still here");
    world->engine().close(fd, CloseMode::kFin);
  }
}

TEST_CASE("contract: unacked_bytes, tcp_state and the addresses are the socket's") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  event::Engine& engine = world->engine();
  auto [fd, peer] = world->make_pair();
  CHECK(engine.local_address(fd).is_ip());
  CHECK(engine.peer_address(fd).is_ip());
  CHECK(!(engine.local_address(fd) == engine.peer_address(fd)));
  CHECK(engine.unacked_bytes(fd) == 0);
  Recorder<SendOp> send(*world);
  const std::vector<std::byte> bytes(kBlockingBytes);
  engine.send(send.op, fd, bytes);
  REQUIRE(world->run_until([&, fd = fd] { return engine.unacked_bytes(fd) > 0; }));
  CHECK_FALSE(send.is_done());
  engine.cancel(send.op);
  REQUIRE(world->run_until([&] { return send.is_done(); }));
  std::vector<std::byte> part(1'000'000);
  REQUIRE(world->run_until([&, fd = fd, &peer = peer] {
    while (peer->read(part) > 0) {
    }
    return engine.unacked_bytes(fd) == 0;
  }));
  CHECK(engine.tcp_state(fd).acked_bytes > 0);
  CHECK(engine.tcp_state(fd).rtt_us > 0);
  world->write_all(*peer, "12345");
  CHECK(engine.tcp_state(fd).received_bytes == 5);
  engine.close(fd, CloseMode::kReset);
}

}  // namespace lb::test
