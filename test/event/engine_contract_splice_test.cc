// The contract of lb/event/engine.h, on every implementation: bytes that go from socket to socket
// through a pipe.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <string>
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
using event::Completion;
using event::Op;
using event::RecvOp;
using event::SendOp;

std::unique_ptr<World> make_world(const std::string& name, uint32_t max_pipes = 16,
                                  uint32_t pipe_size_bytes = 65536) {
  // splice(2) has no MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
  event::EngineOptions options;
  options.max_pipes = max_pipes;
  options.pipe_size_bytes = pipe_size_bytes;
  return World::make(name, options);
}

std::string bytes_of_stream(uint64_t seed, size_t size_bytes) {
  std::string text(size_bytes, '\0');
  ByteStream(seed).fill(std::as_writable_bytes(std::span(text)));
  return text;
}

// What a completed splice_in has brought, out of the pipe or the lease, which is then free.
std::string take_bytes(RecvOp& op) {
  std::string text;
  if (op.pipe.is_held()) {
    text.resize(op.pipe->held_bytes());
    REQUIRE(::read(op.pipe->read_fd(), text.data(), text.size()) ==
            static_cast<ssize_t>(text.size()));
    op.pipe->set_held_bytes(0);
    op.pipe.reset();
  } else if (op.lease.is_held()) {
    const auto got = op.lease.bytes();
    text.assign(reinterpret_cast<const char*>(got.data()), got.size());
    op.lease.reset();
  }
  return text;
}

// Splices in until the stream ends, and keeps the bytes.
class SpliceReceiver {
 public:
  SpliceReceiver(World& world, int fd, uint32_t max_bytes = UINT32_MAX)
      : recv(world), world_(world), fd_(fd), max_bytes_(max_bytes) {
    recv.then = [this](Completion completion) { on_recv(completion); };
  }

  void start() {
    if (takes_buffers) {
      world_.engine().recv(recv.op, fd_, max_bytes_);
    } else {
      world_.engine().splice_in(recv.op, fd_, max_bytes_);
    }
  }
  bool is_over() const { return end <= 0; }

  Recorder<RecvOp> recv;
  std::string bytes;
  int32_t end = 1;
  int pipes = 0;
  int leases = 0;
  int32_t biggest_lease = 0;
  bool takes_buffers = false;
  std::function<void()> before_next;

 private:
  void on_recv(Completion completion) {
    CHECK_FALSE((recv.op.pipe.is_held() && recv.op.lease.is_held()));
    if (completion.result <= 0) {
      CHECK_FALSE((recv.op.pipe.is_held() || recv.op.lease.is_held()));
      end = completion.result;
      return;
    }
    if (recv.op.pipe.is_held()) {
      ++pipes;
      CHECK(recv.op.pipe->held_bytes() == static_cast<uint32_t>(completion.result));
    } else {
      ++leases;
      biggest_lease = std::max(biggest_lease, completion.result);
      CHECK(recv.op.lease.bytes().size() == static_cast<size_t>(completion.result));
    }
    bytes += take_bytes(recv.op);
    if (before_next) before_next();
    start();
  }

  World& world_;
  int fd_;
  uint32_t max_bytes_;
};

// Everything from one descriptor to another, through pipes, then the FIN: what a flow does.
class SplicePath {
 public:
  SplicePath(World& world, int from, int to)
      : recv_(world), send_(world), world_(world), from_(from), to_(to) {
    recv_.then = [this](Completion completion) { on_recv(completion); };
    send_.then = [this](Completion completion) { on_sent(completion); };
  }

  void start() { world_.engine().splice_in(recv_.op, from_, UINT32_MAX); }
  bool is_over() const { return is_over_; }

  uint64_t passed_bytes = 0;
  uint64_t passed_in_turn = 0;
  int pipes = 0;

 private:
  void on_recv(Completion completion) {
    if (completion.result <= 0) {
      CHECK(completion.result == 0);
      is_over_ = true;
      world_.engine().shutdown_write(to_);
      return;
    }
    expected_ = completion.result;
    if (recv_.op.pipe.is_held()) {
      ++pipes;
      passed_in_turn += static_cast<uint64_t>(completion.result);
      world_.engine().splice_out(send_.op, to_, *recv_.op.pipe);
    } else {
      world_.engine().send(send_.op, to_, recv_.op.lease.bytes());
    }
  }

  void on_sent(Completion completion) {
    CHECK(completion.result == expected_);
    if (recv_.op.pipe.is_held()) CHECK(recv_.op.pipe->held_bytes() == 0);
    recv_.op.pipe.reset();
    recv_.op.lease.reset();
    passed_bytes += static_cast<uint64_t>(std::max(completion.result, 0));
    start();
  }

  Recorder<RecvOp> recv_;
  Recorder<SendOp> send_;
  World& world_;
  int from_;
  int to_;
  int32_t expected_ = 0;
  bool is_over_ = false;
};

// A pipe with bytes in it, the way they usually come.
void fill_pipe(World& world, int fd, Peer& peer, Recorder<RecvOp>& recv, const std::string& text) {
  world.write_all(peer, text);
  world.engine().splice_in(recv.op, fd, UINT32_MAX);
  REQUIRE(world.run_until([&] { return recv.is_done(); }));
  REQUIRE(recv.op.pipe.is_held());
}

// Sends until the socket takes no more; how much it took.
uint64_t clog(World& world, int fd) {
  Recorder<SendOp> send(world);
  const std::vector<std::byte> bytes(kBlockingBytes);
  world.engine().send(send.op, fd, bytes);
  uint32_t before = 0;
  do {
    before = send.op.sent_bytes;
    world.settle();
  } while (send.op.sent_bytes != before);
  world.engine().cancel(send.op);
  REQUIRE(world.run_until([&] { return send.is_done(); }));
  REQUIRE(send.result() == -ECANCELED);
  uint64_t sent_bytes = send.op.sent_bytes;
  // The kernel tells of room when there is a good deal of it; a splice would find less.
  for (int round = 0; round < 5 && !world.is_simulated(); ++round) {
    ssize_t sent = 0;
    while ((sent = ::send(fd, bytes.data(), 65536, MSG_NOSIGNAL)) > 0) {
      sent_bytes += static_cast<uint64_t>(sent);
    }
    world.settle();
  }
  return sent_bytes;
}

// Each byte in a segment of its own, and apart in memory: the kernel gives one thread's bytes out
// of one page, whatever their socket, and takes neighbours for one segment again.
void write_bytewise(World& world, Peer& peer, std::string_view text) {
  auto [decoy_fd, decoy] = world.make_pair();
  for (size_t i = 0; i < text.size(); ++i) {
    while (peer.write(text.substr(i, 1)) != 1) world.turn();
    decoy->write("d");
  }
  world.engine().close(decoy_fd, CloseMode::kReset);
  REQUIRE(world.run_until([&] { return peer.unacked() == 0; }));
}

}  // namespace

TEST_CASE("splice contract: bytes come through pipes in order, then 0 for FIN, and 0 again") {
  const auto world = make_world(SLUICE_EACH_CONTRACT_ENGINE());
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
  Recorder<RecvOp> again(*world);
  world->engine().splice_in(again.op, fd, 100);
  REQUIRE(world->run_until([&] { return again.is_done(); }));
  CHECK(again.result() == 0);
  CHECK_FALSE(again.op.pipe.is_held());
  CHECK(world->engine().pipes().lent() == 0);
  world->engine().close(fd, CloseMode::kFin);
}

TEST_CASE("splice contract: bytes and FIN that are there before are not lost") {
  const auto world = make_world(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  world->write_all(*peer, "early");
  peer->finish();
  world->settle();
  SpliceReceiver receiver(*world, fd);
  receiver.start();
  REQUIRE(world->run_until([&] { return receiver.is_over(); }));
  CHECK(receiver.bytes == "early");
  CHECK(receiver.end == 0);
  world->engine().close(fd, CloseMode::kFin);
}

TEST_CASE("splice contract: errors arrive as completions") {
  const std::string name = SLUICE_EACH_CONTRACT_ENGINE();
  if (name == "simulated") return;  // there, using what is not open is the test's failure
  const auto world = make_world(name);
  constexpr int kNotOpen = 19'999;
  auto [fd, peer] = world->make_pair();
  Recorder<RecvOp> full(*world);
  fill_pipe(*world, fd, *peer, full, "x");
  Recorder<RecvOp> recv(*world);
  Recorder<SendOp> send(*world);
  world->engine().splice_in(recv.op, kNotOpen, 100);
  world->engine().splice_out(send.op, kNotOpen, *full.op.pipe);
  CHECK(recv.results.empty());
  CHECK(send.results.empty());
  REQUIRE(world->run_until([&] { return recv.is_done() && send.is_done(); }));
  CHECK(recv.result() == -EBADF);
  CHECK(send.result() == -EBADF);
  full.op.pipe.reset();
  CHECK(world->engine().pipes().lent() == 0);
  world->engine().close(fd, CloseMode::kReset);
}

TEST_CASE("splice contract: where no pipe is free the bytes come in a buffer") {
  const auto world = make_world(SLUICE_EACH_CONTRACT_ENGINE(), 1);
  auto [busy_fd, busy_peer] = world->make_pair();
  auto [fd, peer] = world->make_pair();
  Recorder<RecvOp> busy(*world);
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
  world->engine().close(fd, CloseMode::kFin);
  world->engine().close(busy_fd, CloseMode::kFin);
}

TEST_CASE("splice contract: without any pipe it is a recv, waits for a buffer included") {
  event::EngineOptions options;
  options.max_buffers = 1;
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE(), options);
  auto [busy_fd, busy_peer] = world->make_pair();
  auto [fd, peer] = world->make_pair();
  Recorder<RecvOp> busy(*world);
  world->write_all(*busy_peer, "held");
  world->engine().recv(busy.op, busy_fd, 100);
  REQUIRE(world->run_until([&] { return busy.is_done(); }));
  Recorder<RecvOp> recv(*world);
  world->engine().splice_in(recv.op, fd, 100);
  world->write_all(*peer, "w");
  world->settle();
  CHECK_FALSE(recv.is_done());
  busy.op.lease.reset();
  REQUIRE(world->run_until([&] { return recv.is_done(); }));
  CHECK(take_bytes(recv.op) == "w");
  // Cancelled while it waits for one.
  Recorder<RecvOp> again(*world);
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
  world->engine().close(fd, CloseMode::kReset);
  world->engine().close(busy_fd, CloseMode::kReset);
}

TEST_CASE("splice contract: a reset is -ECONNRESET, after what came before it") {
  const auto world = make_world(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  SpliceReceiver receiver(*world, fd);
  world->write_all(*peer, "last words");
  peer->reset();
  world->settle();
  receiver.start();
  REQUIRE(world->run_until([&] { return receiver.is_over(); }));
  CHECK(receiver.bytes == "last words");
  CHECK(receiver.end == -ECONNRESET);
  world->engine().close(fd, CloseMode::kReset);
}

TEST_CASE("splice contract: a reset ends the splices that wait, on either side") {
  const auto world = make_world(SLUICE_EACH_CONTRACT_ENGINE());
  auto [fd, peer] = world->make_pair();
  auto [source_fd, source] = world->make_pair();
  clog(*world, fd);
  Recorder<RecvOp> full(*world);
  fill_pipe(*world, source_fd, *source, full, "never delivered");
  Recorder<RecvOp> recv(*world);
  Recorder<SendOp> send(*world);
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
  world->engine().close(fd, CloseMode::kReset);
  world->engine().close(source_fd, CloseMode::kReset);
}

TEST_CASE("splice contract: a dirty pipe is closed when its lease is dropped") {
  const auto world = make_world(SLUICE_EACH_CONTRACT_ENGINE());
  event::PipePool& pool = world->engine().pipes();
  auto [fd, peer] = world->make_pair();
  Recorder<RecvOp> recv(*world);
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
  world->engine().close(fd, CloseMode::kFin);
}

TEST_CASE("splice contract: a splice_in that is cancelled leaves what it has not taken") {
  const auto world = make_world(SLUICE_EACH_CONTRACT_ENGINE());
  util::Random random(test_seed());
  auto [fd, peer] = world->make_pair();
  Recorder<RecvOp> recv(*world);
  std::string bytes;
  recv.then = [&](Completion completion) {
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
  world->engine().close(fd, CloseMode::kFin);
}

TEST_CASE("splice contract: a waiting splice_out ends with room, or cancelled with the rest kept") {
  const auto world = make_world(SLUICE_EACH_CONTRACT_ENGINE());
  event::Engine& engine = world->engine();
  auto [fd, peer] = world->make_pair();
  auto [source_fd, source] = world->make_pair();
  const uint64_t clogged_bytes = clog(*world, fd);
  const std::string text = bytes_of_stream(5, 1500);
  Recorder<RecvOp> full(*world);
  fill_pipe(*world, source_fd, *source, full, text);
  const auto held_bytes = static_cast<int32_t>(full.op.pipe->held_bytes());
  Recorder<SendOp> send(*world);
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
  engine.close(fd, CloseMode::kFin);
  engine.close(source_fd, CloseMode::kReset);
}

TEST_CASE("splice contract: many more one-byte segments than a pipe has slots, then silence") {
  const std::string name = SLUICE_EACH_CONTRACT_ENGINE();
  const auto world = make_world(name);
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
  world->engine().close(from_fd, CloseMode::kFin);
  world->engine().close(to_fd, CloseMode::kFin);
}

TEST_CASE("splice contract: megabytes pass through a path, and its FIN after them") {
  const auto world = make_world(SLUICE_EACH_CONTRACT_ENGINE());
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
  world->engine().close(from_fd, CloseMode::kFin);
  world->engine().close(to_fd, CloseMode::kFin);
}

TEST_CASE("splice contract: buffers and pipes in turn on one descriptor keep the order") {
  const auto world = make_world(SLUICE_EACH_CONTRACT_ENGINE(), 2);
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
  world->engine().close(fd, CloseMode::kFin);
}

TEST_CASE("splice contract: many streams share a turn's budget, and all come through") {
  const std::string name = SLUICE_EACH_CONTRACT_ENGINE();
  if (name == "simulated") return;
  const auto world = make_world(name, 64, 262144);
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
    world->engine().close(sources[i].fd, CloseMode::kFin);
    world->engine().close(sinks[i].fd, CloseMode::kFin);
  }
}

}  // namespace lb::test
