// The contract of lb/event/engine.h, on every implementation: whole flows through pipes.
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

TEST_CASE("splice contract: many more one-byte segments than a pipe has slots, then silence") {
  const std::string name = SLUICE_EACH_CONTRACT_ENGINE();
  const auto world = make_splice_world(name);
  auto [from_fd, from] = world->make_pair();
  auto [to_fd, to] = world->make_pair();
  SplicePath path(*world, from_fd, to_fd);
  const std::string text = bytes_of_stream(9, 1500);
  // All of it waits in the socket before the first is taken.
  write_bytewise(*world, *from, text);
  path.start();
  CHECK(world->read_exactly(*to, text.size()) == text);
  if (name != "simulated") CHECK(path.pipes > 20);
  // A second burst, while the path waits for one.
  write_bytewise(*world, *from, std::string_view(text).substr(0, 500));
  CHECK(world->read_exactly(*to, 500) == text.substr(0, 500));
  from->finish();
  CHECK(world->read_end(*to) == 0);
  CHECK(path.is_over());
  CHECK(world->engine().pipes().lent() == 0);
  world->engine().close(from_fd, event::CloseMode::kFin);
  world->engine().close(to_fd, event::CloseMode::kFin);
}

TEST_CASE("splice contract: megabytes pass through a path, and its FIN after them") {
  const auto world = make_splice_world(SLUICE_EACH_CONTRACT_ENGINE());
  auto [from_fd, from] = world->make_pair();
  auto [to_fd, to] = world->make_pair();
  SplicePath path(*world, from_fd, to_fd);
  path.start();
  const uint64_t total_bytes = scaled(20'000'000, 2'000'000);
  ByteStream out(3);
  ByteStream back(3);
  std::vector<std::byte> chunk;
  std::vector<std::byte> part(300'000);
  bool has_finished = false;
  ssize_t read = -EAGAIN;
  REQUIRE(world->run_until([&, &sender = from, &receiver = to] {
    if (chunk.empty() && out.offset() < total_bytes) {
      chunk.resize(std::min<uint64_t>(100'000, total_bytes - out.offset()));
      out.fill(chunk);
    }
    const ssize_t written = chunk.empty() ? 0 : sender->write(chunk);
    if (written > 0) chunk.erase(chunk.begin(), chunk.begin() + written);
    if (chunk.empty() && out.offset() == total_bytes && !std::exchange(has_finished, true)) {
      sender->finish();
    }
    read = receiver->read(part);
    if (read > 0) REQUIRE(back.matches(std::span(part).first(static_cast<size_t>(read))));
    return read == 0;
  }));
  CHECK(back.offset() == total_bytes);
  CHECK(path.passed_bytes == total_bytes);
  CHECK(path.pipes > 0);
  world->engine().close(from_fd, event::CloseMode::kFin);
  world->engine().close(to_fd, event::CloseMode::kFin);
}

TEST_CASE("splice contract: buffers and pipes in turn on one descriptor keep the order") {
  const auto world = make_splice_world(SLUICE_EACH_CONTRACT_ENGINE(), 2);
  util::Random random(test_seed());
  auto [fd, peer] = world->make_pair();
  SpliceReceiver receiver(*world, fd, 5000);
  receiver.before_next = [&] { receiver.takes_buffers = random.one_in(2); };
  receiver.start();
  std::string sent;
  for (uint64_t part = 0; part < scaled(400, 100); ++part) {
    const std::string text = bytes_of_stream(part, 1 + random.below(1 << random.below(15)));
    sent += text;
    if (random.one_in(2)) {
      world->write_all(*peer, text);
    } else {
      std::string_view left = text;
      REQUIRE(world->run_until([&, &sender = peer] {
        const ssize_t written = sender->write(left);
        if (written > 0) left.remove_prefix(static_cast<size_t>(written));
        return left.empty();
      }));
    }
  }
  peer->finish();
  REQUIRE(world->run_until([&] { return receiver.is_over(); }));
  CHECK(receiver.end == 0);
  CHECK((receiver.bytes == sent));
  CHECK(receiver.pipes > 0);
  CHECK(receiver.leases > 0);
  world->engine().close(fd, event::CloseMode::kFin);
}

TEST_CASE("splice contract: many streams share a turn's budget, and all come through") {
  const std::string name = SLUICE_EACH_CONTRACT_ENGINE();
  if (name == "simulated") return;
  const auto world = make_splice_world(name, 64, 262144);
  constexpr size_t kPaths = 12;
  std::vector<World::Pair> sources;
  std::vector<World::Pair> sinks;
  std::vector<std::unique_ptr<SplicePath>> paths;
  std::vector<size_t> written(kPaths);
  std::vector<std::byte> bytes(200'000);
  for (size_t i = 0; i < kPaths; ++i) {
    sources.push_back(world->make_pair());
    sinks.push_back(world->make_pair());
    paths.push_back(std::make_unique<SplicePath>(*world, sources[i].fd, sinks[i].fd));
    written[i] = static_cast<size_t>(std::max<ssize_t>(sources[i].peer->write(bytes), 0));
  }
  world->settle();
  for (auto& path : paths) path->start();
  uint64_t most_in_turn = 0;
  std::vector<uint64_t> read(kPaths);
  REQUIRE(world->run_until([&] {
    uint64_t in_turn = 0;
    for (auto& path : paths) in_turn += std::exchange(path->passed_in_turn, 0);
    most_in_turn = std::max(most_in_turn, in_turn);
    for (size_t i = 0; i < kPaths; ++i) {
      const ssize_t got = sinks[i].peer->read(bytes);
      if (got > 0) read[i] += static_cast<uint64_t>(got);
    }
    return std::equal(read.begin(), read.end(), written.begin());
  }));
  // About 1 MiB, and what the last one of the turn took.
  CHECK(most_in_turn <= (1 << 20) + 262'144);
  for (size_t i = 0; i < kPaths; ++i) sources[i].peer->finish();
  REQUIRE(world->run_until([&] {
    return std::all_of(paths.begin(), paths.end(), [](auto& path) { return path->is_over(); });
  }));
  for (size_t i = 0; i < kPaths; ++i) {
    world->engine().close(sources[i].fd, event::CloseMode::kFin);
    world->engine().close(sinks[i].fd, event::CloseMode::kFin);
  }
}

}  // namespace lb::test
