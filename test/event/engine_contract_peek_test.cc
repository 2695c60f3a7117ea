// The contract of lb/event/engine.h: looking at bytes that stay where they are, and waiting until
// there are enough of them.
#include <poll.h>

#include <cerrno>
#include <string>

#include "lb/event/engine.h"
#include "test/event/contract_world.h"
#include "test/support/catch.h"

namespace lb::test {
namespace {

using event::CloseMode;
using event::Op;

std::string peek(event::Engine& engine, int fd) {
  std::string text(100, '\0');
  const int32_t there = engine.peek(fd, std::as_writable_bytes(std::span(text)));
  REQUIRE(there >= 0);
  return text.substr(0, static_cast<size_t>(there));
}

}  // namespace

TEST_CASE("contract: peek takes nothing") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  event::Engine& engine = world->engine();
  auto [fd, peer] = world->make_pair();
  std::byte two[2];
  CHECK(engine.peek(fd, two) == -EAGAIN);
  world->write_all(*peer, "hello");
  CHECK(engine.peek(fd, two) == 2);
  CHECK(two[1] == std::byte{'e'});
  CHECK(peek(engine, fd) == "hello");
  peer->finish();
  world->settle();
  CHECK(peek(engine, fd) == "hello");
  Receiver receiver(*world, fd);
  receiver.start();
  REQUIRE(world->run_until([&] { return receiver.is_over(); }));
  CHECK(receiver.bytes == "hello");
  CHECK(receiver.end == 0);
  CHECK(engine.peek(fd, two) == 0);
  engine.close(fd, CloseMode::kFin);
}

TEST_CASE("contract: a poll waits until there is as much as the low mark says") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  event::Engine& engine = world->engine();
  auto [fd, peer] = world->make_pair();
  Recorder<Op> poll(*world);
  engine.set_low_mark(fd, 5);
  const bool is_there_first = GENERATE(true, false);
  if (is_there_first) world->write_all(*peer, "1234");
  engine.poll(poll.op, fd, POLLIN | POLLRDHUP);
  if (!is_there_first) world->write_all(*peer, "1234");
  world->settle();
  CHECK(poll.op.in_flight());
  world->write_all(*peer, "5");
  REQUIRE(world->run_until([&] { return poll.is_done(); }));
  CHECK(poll.result() == POLLIN);
  CHECK(peek(engine, fd) == "12345");
  // The mark is on what is there, whether or not somebody has looked at it.
  engine.set_low_mark(fd, 6);
  engine.poll(poll.op, fd, POLLIN | POLLRDHUP);
  world->settle();
  CHECK(poll.op.in_flight());
  engine.set_low_mark(fd, 1);
  REQUIRE(world->run_until([&] { return poll.is_done(); }));
  engine.close(fd, CloseMode::kReset);
}

TEST_CASE("contract: the end and an error are told below the low mark") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  event::Engine& engine = world->engine();
  const bool is_reset = GENERATE(true, false);
  auto [fd, peer] = world->make_pair();
  Recorder<Op> poll(*world);
  world->write_all(*peer, "x");
  engine.set_low_mark(fd, 100);
  engine.poll(poll.op, fd, POLLIN | POLLRDHUP);
  world->settle();
  CHECK(poll.op.in_flight());
  is_reset ? peer->reset() : peer->finish();
  REQUIRE(world->run_until([&] { return poll.is_done(); }));
  CHECK((poll.result() & (is_reset ? POLLERR : POLLRDHUP)) != 0);
  // Looking at bytes that came before an error leaves the error to who receives them.
  CHECK(peek(engine, fd) == "x");
  engine.set_low_mark(fd, 1);
  Receiver receiver(*world, fd);
  receiver.start();
  REQUIRE(world->run_until([&] { return receiver.is_over(); }));
  CHECK(receiver.bytes == "x");
  CHECK(receiver.end == (is_reset ? -ECONNRESET : 0));
  engine.close(fd, CloseMode::kReset);
}

TEST_CASE("contract: what came below the low mark is received once the mark is low again") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  event::Engine& engine = world->engine();
  const bool is_polling = GENERATE(true, false);
  auto [fd, peer] = world->make_pair();
  Recorder<Op> poll(*world);
  engine.set_low_mark(fd, 100);
  if (is_polling) engine.poll(poll.op, fd, POLLIN | POLLRDHUP);
  world->settle();
  world->write_all(*peer, "below");
  world->settle();
  engine.cancel(poll.op);
  REQUIRE(world->run_until([&] { return !poll.op.in_flight(); }));
  engine.set_low_mark(fd, 1);
  Receiver receiver(*world, fd);
  receiver.start();
  REQUIRE(world->run_until([&] { return receiver.bytes == "below"; }));
  peer->finish();
  REQUIRE(world->run_until([&] { return receiver.is_over(); }));
  engine.close(fd, CloseMode::kFin);
}

}  // namespace lb::test
