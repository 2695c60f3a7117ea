// The contract of lb/event/engine.h, on every implementation: what comes while nobody asks for it.
// An engine may have received it ahead; nobody is to notice.
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "lb/event/engine.h"
#include "lb/util/random.h"
#include "test/event/contract_world.h"
#include "test/support/byte_stream.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::test {
namespace {

using event::CloseMode;
using event::Op;
using event::RecvOp;

constexpr uint32_t kLimitBytes = 65536;

// A connection that has exchanged a few short messages: whoever receives ahead does so from now on.
struct Chat {
  explicit Chat(World& new_world, uint32_t new_max_bytes = kLimitBytes)
      : world(new_world), max_bytes(new_max_bytes), pair(world.make_pair()), recv(world) {
    for (const char* text : {"how", "are", "you"}) {
      world.write_all(*pair.peer, text);
      std::string got;
      while (got.size() < 3) got += receive();
      CHECK(got == text);
    }
  }

  void ask() {
    world.engine().recv(recv.op, pair.fd, max_bytes);
    is_asked = true;
  }
  // There is a result to be taken.
  bool has_result() const { return is_asked && recv.is_done(); }
  // What the receive that is asked for, or a new one, gives; empty at the end.
  std::string receive() {
    if (!is_asked) ask();
    REQUIRE(world.run_until([&] { return has_result(); }));
    return take();
  }
  std::string take() {
    is_asked = false;
    const auto bytes = recv.op.lease.bytes();
    CHECK(static_cast<int32_t>(bytes.size()) == std::max(recv.result(), 0));
    CHECK(bytes.size() <= max_bytes);
    std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    recv.op.lease.reset();
    return text;
  }
  void write_some(std::string& text) {
    const ssize_t written = pair.peer->write(text);
    if (written > 0) text.erase(0, static_cast<size_t>(written));
  }

  World& world;
  uint32_t max_bytes;
  World::Pair pair;
  Recorder<RecvOp> recv;
  bool is_asked = false;
};

std::string some_text(ByteStream& stream, size_t size_bytes) {
  std::string text(size_bytes, '\0');
  stream.fill(std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace

TEST_CASE("contract: what comes between two receives is neither lost nor reordered") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  util::Random random(test_seed());
  const auto rounds = static_cast<int>(scaled(3000, 300));
  for (const uint32_t max_bytes : {kLimitBytes, 40'000U, 20'000U}) {
    Chat chat(*world, max_bytes);
    ByteStream stream(max_bytes);
    std::string sent;
    std::string unsent;
    std::string got;
    for (int round = 0; round < rounds; ++round) {
      if (random.one_in(2)) {
        std::string text = some_text(stream, 1 + random.below(random.one_in(20) ? 60'000 : 300));
        sent += text;
        unsent += text;
      }
      chat.write_some(unsent);
      if (!chat.is_asked && random.one_in(2)) chat.ask();
      if (random.one_in(8)) world->engine().cancel(chat.recv.op);
      if (!random.one_in(3)) world->turn(static_cast<util::MonoTimeMs>(random.below(2)));
      if (chat.has_result()) got += chat.take();
    }
    while (!unsent.empty() || got.size() < sent.size()) {
      chat.write_some(unsent);
      got += chat.receive();
      REQUIRE((chat.recv.result() > 0 || chat.recv.result() == -ECANCELED));
    }
    CHECK(got == sent);
    if (chat.is_asked) {
      // Cancelled already, perhaps.
      world->engine().cancel(chat.recv.op);
      CHECK(chat.receive().empty());
      CHECK(chat.recv.result() == -ECANCELED);
    }
    chat.pair.peer->finish();
    for (int i = 0; i < 2; ++i) {
      CHECK(chat.receive().empty());
      CHECK(chat.recv.result() == 0);
    }
    world->engine().close(chat.pair.fd, CloseMode::kFin);
  }
}

TEST_CASE("contract: an end that comes between two receives is told after the bytes before it") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  for (const bool with_reset : {false, true}) {
    Chat chat(*world);
    world->write_all(*chat.pair.peer, "last words");
    world->settle();
    if (with_reset) {
      chat.pair.peer->reset();
    } else {
      chat.pair.peer->finish();
    }
    world->settle();
    std::string got;
    while (got.size() < 10) got += chat.receive();
    CHECK(got == "last words");
    chat.receive();
    CHECK(chat.recv.result() == (with_reset ? -ECONNRESET : 0));
    chat.receive();
    CHECK(chat.recv.result() == 0);
    world->engine().close(chat.pair.fd, CloseMode::kReset);
  }
}

TEST_CASE("contract: poll tells of a reset that comes while nobody receives") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  for (const bool is_polling : {true, false}) {
    Chat chat(*world);
    Recorder<Op> poll(*world);
    if (is_polling) world->engine().poll(poll.op, chat.pair.fd, 0);
    world->settle();
    chat.pair.peer->reset();
    world->settle();
    if (!is_polling) world->engine().poll(poll.op, chat.pair.fd, 0);
    REQUIRE(world->run_until([&] { return poll.is_done(); }));
    CHECK((poll.result() & POLLERR) != 0);
    CHECK(chat.receive().empty());
    CHECK(chat.recv.result() == -ECONNRESET);
    world->engine().close(chat.pair.fd, CloseMode::kReset);
  }
}

TEST_CASE("contract: close ends a connection that nobody receives from") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  const auto wait_some = [&](int how) {
    if (how == 1) world->turn(0);
    if (how == 2) world->settle();
  };
  for (int how = 0; how < 3; ++how) {
    for (const CloseMode mode : {CloseMode::kFin, CloseMode::kReset}) {
      Chat chat(*world);
      wait_some(how);
      world->engine().close(chat.pair.fd, mode);
      CHECK(world->read_end(*chat.pair.peer) == (mode == CloseMode::kFin ? 0 : -ECONNRESET));
    }
    {
      Chat chat(*world);
      chat.ask();
      wait_some(how);
      world->engine().cancel(chat.recv.op);
      REQUIRE(world->run_until([&] { return chat.recv.is_done(); }));
      CHECK(chat.recv.result() == -ECANCELED);
      wait_some(how);
      world->engine().close(chat.pair.fd, CloseMode::kFin);
      CHECK(world->read_end(*chat.pair.peer) == 0);
    }
  }
}

TEST_CASE("contract: close ends a connection that is given up while bytes come in") {
  const std::string name = SLUICE_EACH_CONTRACT_ENGINE();
  if (name == "simulated") return;  // one thread is all it has
  const auto world = World::make(name);
  const auto rounds = static_cast<int>(scaled(20, 3));
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::unique_ptr<Chat>> chats;
    for (int i = 0; i < 100; ++i) chats.push_back(std::make_unique<Chat>(*world, 4096));
    // Bytes come at any moment of what follows, also between the kernel's look into an empty socket
    // and its going to sleep on it.
    std::atomic<bool> is_over = false;
    std::thread writer([&] {
      while (!is_over) {
        for (auto& chat : chats) chat->pair.peer->write("x");
      }
    });
    // The first receive is asked for, and given up, while one is armed; the second arms its own.
    bool are_done = true;
    for (int i = 0; i < 2; ++i) {
      for (auto& chat : chats) {
        chat->recv.op.lease.reset();
        chat->ask();
        world->engine().cancel(chat->recv.op);
      }
      are_done = are_done && world->run_until([&] {
        return std::all_of(chats.begin(), chats.end(),
                           [](auto& chat) { return !chat->recv.op.in_flight(); });
      });
    }
    for (auto& chat : chats) {
      chat->recv.op.lease.reset();
      world->engine().close(chat->pair.fd, CloseMode::kReset);
    }
    world->turn(0);
    is_over = true;
    writer.join();
    REQUIRE(are_done);
    // The writer may have been told of the reset already, and the kernel tells it once.
    for (auto& chat : chats) REQUIRE(world->read_end(*chat->pair.peer) != -EAGAIN);
  }
}

TEST_CASE("contract: a reset with bytes before it is told, whenever it comes") {
  const std::string name = SLUICE_EACH_CONTRACT_ENGINE();
  if (name == "simulated") return;  // one thread is all it has
  const auto world = World::make(name);
  const auto rounds = static_cast<int>(scaled(300, 10));
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::unique_ptr<Chat>> chats;
    for (int i = 0; i < 100; ++i) chats.push_back(std::make_unique<Chat>(*world));
    // Some of it falls between the kernel's look into an empty socket and its going to sleep on it.
    std::atomic<bool> may_begin = false;
    std::thread leaver([&] {
      while (!may_begin) {
      }
      for (auto& chat : chats) {
        chat->pair.peer->write("last words");
        chat->pair.peer->reset();
      }
    });
    for (auto& chat : chats) chat->ask();
    may_begin = true;
    world->turn(0);
    leaver.join();
    for (auto& chat : chats) {
      std::string got;
      while (chat->recv.result() >= 0 && got.size() <= 10) got += chat->receive();
      REQUIRE(chat->recv.result() == -ECONNRESET);
      // A reset may overtake them in the kernel.
      CHECK((got == "last words" || got.empty()));
      world->engine().close(chat->pair.fd, CloseMode::kReset);
    }
  }
}

TEST_CASE("contract: close with bytes that nobody received is a reset") {
  const std::string name = SLUICE_EACH_CONTRACT_ENGINE();
  if (name == "simulated") return;  // it tells the peer of what it asked for only
  const auto world = World::make(name);
  for (const bool is_settled : {true, false}) {
    Chat chat(*world);
    world->write_all(*chat.pair.peer, "unread");
    if (is_settled) world->settle();
    world->engine().close(chat.pair.fd, CloseMode::kFin);
    CHECK(world->read_end(*chat.pair.peer) == -ECONNRESET);
  }
}

TEST_CASE("contract: a descriptor number that is used again has nothing of its last connection") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  util::Random random(test_seed());
  const auto rounds = static_cast<int>(scaled(300, 50));
  std::vector<int> used;
  std::vector<std::unique_ptr<Peer>> old_peers;
  int reused = 0;
  for (int round = 0; round < rounds; ++round) {
    Chat chat(*world);
    reused += std::count(used.begin(), used.end(), chat.pair.fd) > 0 ? 1 : 0;
    used.push_back(chat.pair.fd);
    if (random.one_in(2)) chat.pair.peer->write("of the old one");
    if (random.one_in(2)) world->turn(0);
    world->engine().close(chat.pair.fd, random.one_in(2) ? CloseMode::kFin : CloseMode::kReset);
    chat.pair.peer->write("too late");
    if (random.one_in(2)) world->turn(0);
    old_peers.push_back(std::move(chat.pair.peer));
    if (old_peers.size() > 20) old_peers.clear();
  }
  if (!world->is_simulated()) CHECK(reused > 0);
}

TEST_CASE("contract: what is received ahead stays within max_bytes, and in few buffers") {
  event::EngineOptions options;
  options.buffer_size_bytes = GENERATE(16'384U, 65'536U);
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE(), options);
  event::Engine& engine = world->engine();
  for (const uint32_t max_bytes : {kLimitBytes, 40'000U, 20'000U, 1000U}) {
    for (const size_t piece_bytes : {1U, 100U, 10'000U, 1'000'000U}) {
      Chat chat(*world, max_bytes);
      const uint64_t taken_before = engine.tcp_state(chat.pair.fd).received_bytes;
      ByteStream stream(1);
      std::string unsent = some_text(stream, piece_bytes == 1 ? 2000 : 1'000'000);
      const std::string sent = unsent;
      for (int quiet_turns = 0; quiet_turns < 20 && !unsent.empty(); ++quiet_turns) {
        const ssize_t written =
            chat.pair.peer->write(std::string_view(unsent).substr(0, piece_bytes));
        if (written > 0) {
          unsent.erase(0, static_cast<size_t>(written));
          quiet_turns = 0;
        }
        world->turn(0);
      }
      world->settle();
      // 9: no two neighbours would fit into one, and their sum is at most four full ones.
      CHECK(engine.buffers().lent() <= options.buffer_ring_entries + 9);
      if (!world->is_simulated()) {
        int unread_bytes = 0;
        REQUIRE(ioctl(chat.pair.fd, FIONREAD, &unread_bytes) == 0);
        const uint64_t came = engine.tcp_state(chat.pair.fd).received_bytes - taken_before;
        CHECK(came - static_cast<uint64_t>(unread_bytes) <= max_bytes);
      }
      std::string got;
      while (got.size() < sent.size()) {
        chat.write_some(unsent);
        const std::string part = chat.receive();
        REQUIRE(!part.empty());
        got += part;
      }
      CHECK((got == sent));
      engine.close(chat.pair.fd, CloseMode::kReset);
    }
  }
}

TEST_CASE("contract: messages on more connections at once than there are buffers at hand") {
  event::EngineOptions options;
  options.max_buffers = 64;
  options.buffer_size_bytes = 4096;
  options.buffer_ring_entries = 4;
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE(), options);
  constexpr size_t kConnections = 50;
  std::vector<std::unique_ptr<Chat>> chats;
  for (size_t i = 0; i < kConnections; ++i) chats.push_back(std::make_unique<Chat>(*world));
  for (int round = 0; round < 20; ++round) {
    const std::string text = "message " + std::to_string(round);
    // Asked before, after, or when it is there.
    for (size_t i = 0; i < kConnections; i += 2) chats[i]->ask();
    for (auto& chat : chats) REQUIRE(chat->pair.peer->write(text) > 0);
    if (round % 3 == 0) world->settle();
    for (size_t i = 1; i < kConnections; i += 2) chats[i]->ask();
    for (auto& chat : chats) {
      std::string got;
      while (got.size() < text.size()) got += chat->receive();
      CHECK(got == text);
    }
  }
  for (auto& chat : chats) world->engine().close(chat->pair.fd, CloseMode::kFin);
}

TEST_CASE("contract: an engine that is destroyed has closed what it was told to close") {
  const std::string name = SLUICE_EACH_CONTRACT_ENGINE();
  if (name == "simulated") return;  // its network goes with it
  auto world = World::make(name);
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 100; ++i) {
    Chat chat(*world);
    world->engine().close(chat.pair.fd, CloseMode::kFin);
    peers.push_back(std::move(chat.pair.peer));
  }
  world.reset();
  const auto until = std::chrono::steady_clock::now() + patience(std::chrono::seconds(5));
  for (auto& peer : peers) {
    std::vector<std::byte> part(10);
    ssize_t read = -EAGAIN;
    while (read == -EAGAIN && std::chrono::steady_clock::now() < until) {
      read = peer->read(part);
      if (read == -EAGAIN) std::this_thread::yield();
    }
    CHECK(read == 0);
  }
}

}  // namespace lb::test
