// The contract of lb/event/engine.h: accepting, connecting, and what happens when many come at once
// or descriptor numbers come back.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "lb/event/engine.h"
#include "lb/net/fd.h"
#include "lb/util/random.h"
#include "test/event/contract_world.h"
#include "test/support/catch.h"
#include "test/support/process_stats.h"
#include "test/support/scale.h"
#include "test/support/socket.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

using event::AcceptOp;
using event::CloseMode;
using event::Completion;
using event::ConnectOp;
using event::Op;
using event::RecvOp;
using event::SendOp;

// Accepts into a list of descriptors.
class Acceptor {
 public:
  Acceptor(World& world, int listen_fd) : accept(world), world_(world), listen_fd_(listen_fd) {
    accept.then = [this](Completion completion) {
      if (completion.result >= 0) fds.push_back(completion.result);
    };
  }
  void start(bool many) { world_.engine().accept(accept.op, listen_fd_, many); }
  void stop() {
    world_.engine().cancel(accept.op);
    REQUIRE(world_.run_until([&] { return !accept.op.in_flight(); }));
  }
  void close_all() {
    for (const int fd : fds) world_.engine().close(fd, CloseMode::kReset);
    fds.clear();
  }

  Recorder<AcceptOp> accept;
  std::vector<int> fds;

 private:
  World& world_;
  int listen_fd_;
};

}  // namespace

TEST_CASE("contract: accept many takes 200 queued connections, and those that come later") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  const int listen_fd = world->make_listener(1000);
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 200; ++i) peers.push_back(world->dial(listen_fd));
  Acceptor acceptor(*world, listen_fd);
  acceptor.start(true);
  CHECK(acceptor.fds.empty());
  REQUIRE(world->run_until([&] { return acceptor.fds.size() == 200; }));
  peers.push_back(world->dial(listen_fd));
  REQUIRE(world->run_until([&] { return acceptor.fds.size() == 201; }));
  CHECK(acceptor.accept.finals == 0);
  CHECK(acceptor.accept.op.in_flight());
  CHECK(std::set<int>(acceptor.fds.begin(), acceptor.fds.end()).size() == 201);
  for (const int fd : acceptor.fds) {
    if (world->is_simulated()) continue;
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  }
  // Each of them is connected to one of the peers.
  for (size_t i = 0; i < peers.size(); ++i) {
    world->write_all(*peers[i], "x");
    Recorder<RecvOp> recv(*world);
    if (i >= 10) continue;
    world->engine().recv(recv.op, acceptor.fds[i], 10);
    peers[i]->finish();
    REQUIRE(world->run_until([&] { return recv.is_done(); }));
    CHECK(recv.result() == 1);
    recv.op.lease.reset();
  }
  acceptor.stop();
  CHECK(acceptor.accept.finals == 1);
  CHECK(acceptor.accept.result() == -ECANCELED);
  acceptor.close_all();
  world->engine().close(listen_fd, CloseMode::kFin);
}

TEST_CASE("contract: accept one takes one, and leaves the next one in the queue") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  const int listen_fd = world->make_listener(100);
  Acceptor acceptor(*world, listen_fd);
  acceptor.start(false);
  world->settle();
  const auto first = world->dial(listen_fd);
  const auto second = world->dial(listen_fd);
  const auto third = world->dial(listen_fd);
  REQUIRE(world->run_until([&] { return acceptor.accept.is_done(); }));
  world->settle();
  CHECK(acceptor.fds.size() == 1);
  CHECK(acceptor.accept.finals == 1);
  for (const size_t count : {2U, 3U}) {
    acceptor.start(false);
    REQUIRE(world->run_until([&] { return acceptor.accept.finals == static_cast<int>(count); }));
    CHECK(acceptor.fds.size() == count);
  }
  acceptor.close_all();
  world->engine().close(listen_fd, CloseMode::kFin);
}

TEST_CASE("contract: accept many, cancelled from its own handler, loses no connection") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  const int listen_fd = world->make_listener(1000);
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 100; ++i) peers.push_back(world->dial(listen_fd));
  Acceptor acceptor(*world, listen_fd);
  const auto note = acceptor.accept.then;
  acceptor.accept.then = [&](Completion completion) {
    note(completion);
    // Some may still come before the end.
    world->engine().cancel(acceptor.accept.op);
  };
  int rounds = 0;
  while (acceptor.fds.size() < 100 && rounds < 200) {
    acceptor.start(true);
    ++rounds;
    REQUIRE(world->run_until([&] { return !acceptor.accept.op.in_flight(); }));
    CHECK(acceptor.accept.finals == rounds);
    CHECK(acceptor.accept.result() == -ECANCELED);
  }
  CHECK(acceptor.fds.size() == 100);
  acceptor.close_all();
  world->engine().close(listen_fd, CloseMode::kFin);
}

TEST_CASE("contract: accept without a descriptor left ends with -EMFILE and loses nobody") {
  const bool many = GENERATE(true, false);
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  const int listen_fd = world->make_listener(100);
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 10; ++i) peers.push_back(world->dial(listen_fd));
  Acceptor acceptor(*world, listen_fd);
  const size_t room = many ? 4 : 0;
  world->limit_fds(room);
  acceptor.start(many);
  REQUIRE(world->run_until([&] { return acceptor.accept.is_done(); }));
  CHECK(acceptor.accept.result() == -EMFILE);
  CHECK(acceptor.fds.size() == room);
  // Again, with no room at all: it ends again, and the connections keep waiting.
  acceptor.start(many);
  REQUIRE(world->run_until([&] { return !acceptor.accept.op.in_flight(); }));
  CHECK(acceptor.accept.finals == 2);
  CHECK(acceptor.accept.result() == -EMFILE);
  world->allow_fds();
  while (acceptor.fds.size() < 10) {
    const size_t before = acceptor.fds.size();
    if (!acceptor.accept.op.in_flight()) acceptor.start(many);
    REQUIRE(world->run_until([&] { return acceptor.fds.size() > before; }));
  }
  acceptor.stop();
  acceptor.close_all();
  world->engine().close(listen_fd, CloseMode::kFin);
}

TEST_CASE("contract: connect succeeds, is refused, or waits until it is cancelled") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  event::Engine& engine = world->engine();
  const int listen_fd = world->make_listener(100);
  const net::Address open = world->address_of(listen_fd);
  const net::Address refusing = world->refusing_address();
  const net::Address silent = world->silent_address();
  std::vector<int> fds;
  for (int i = 0; i < 3; ++i) fds.push_back(engine.open_stream_socket(AF_INET));
  Recorder<ConnectOp> connected(*world);
  Recorder<ConnectOp> refused(*world);
  Recorder<ConnectOp> waiting(*world);
  engine.connect(connected.op, fds[0], open);
  engine.connect(refused.op, fds[1], refusing);
  engine.connect(waiting.op, fds[2], silent);
  CHECK(connected.results.empty());
  CHECK(refused.results.empty());
  REQUIRE(world->run_until([&] { return connected.is_done() && refused.is_done(); }));
  CHECK(connected.result() == 0);
  CHECK(refused.result() == -ECONNREFUSED);
  world->settle();
  CHECK(waiting.op.in_flight());
  engine.cancel(waiting.op);
  REQUIRE(world->run_until([&] { return waiting.is_done(); }));
  CHECK(waiting.result() == -ECANCELED);
  // What is connected works at once, in both directions.
  Acceptor acceptor(*world, listen_fd);
  acceptor.start(false);
  REQUIRE(world->run_until([&] { return acceptor.accept.is_done(); }));
  Recorder<SendOp> send(*world);
  Recorder<RecvOp> recv(*world);
  engine.recv(recv.op, acceptor.fds[0], 100);
  engine.send(send.op, fds[0], std::as_bytes(std::span("hello", 5)));
  REQUIRE(world->run_until([&] { return recv.is_done() && send.is_done(); }));
  recv.op.lease.reset();
  engine.recv(recv.op, fds[0], 100);
  engine.send(send.op, acceptor.fds[0], std::as_bytes(std::span("hello", 5)));
  REQUIRE(world->run_until([&] { return recv.is_done() && send.finals == 2; }));
  recv.op.lease.reset();
  acceptor.close_all();
  for (const int fd : fds) engine.close(fd, CloseMode::kReset);
  engine.close(listen_fd, CloseMode::kFin);
}

TEST_CASE("contract: a unix socket whose queue is full fails a connect or lets it be cancelled") {
  const std::string name = SLUICE_EACH_CONTRACT_ENGINE();
  if (name == "simulated") return;  // it knows TCP only
  const auto world = World::make(name);
  const net::Address address = unix_address("@sluice-contract-" + std::to_string(getpid()));
  const net::UniqueFd listener = listen_on(address, 0);
  std::vector<net::UniqueFd> fillers;
  do {
    fillers.emplace_back(world->engine().open_stream_socket(AF_UNIX));
  } while (::connect(fillers.back().get(), address.data(), address.size_bytes()) == 0);
  REQUIRE(errno == EAGAIN);
  const int fd = world->engine().open_stream_socket(AF_UNIX);
  Recorder<ConnectOp> connect(*world);
  world->engine().connect(connect.op, fd, address);
  const uint64_t turns = world->engine().counters().turns;
  const auto cpu = cpu_time(getpid());
  world->run_for(200);
  CHECK(world->engine().counters().turns - turns < 20);
  CHECK((cpu_time(getpid()) - cpu).count() <= 50);
  world->engine().cancel(connect.op);
  REQUIRE(world->run_until([&] { return connect.is_done(); }));
  CHECK((connect.result() == -EAGAIN || connect.result() == -ECANCELED));
  world->engine().close(fd, CloseMode::kReset);
}

TEST_CASE("contract: a burst that overflows the completion queue loses nothing") {
  event::EngineOptions options;
  options.submission_entries = 32;
  options.completion_entries = 64;
  options.max_buffers = 8192;
  options.buffer_size_bytes = 512;
  options.buffer_ring_entries = 4096;
  raise_open_file_limit();
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE(), options);
  const size_t count = scaled(2500, 250);
  const int listen_fd = world->make_listener(4096);
  // Descriptors that the listener's queue gives away in one go ...
  std::vector<std::unique_ptr<Peer>> peers;
  for (size_t i = 0; i < count; ++i) peers.push_back(world->dial(listen_fd));
  Acceptor acceptor(*world, listen_fd);
  acceptor.start(true);
  REQUIRE(world->run_until([&] { return acceptor.fds.size() == count; }));
  // ... and twice as many operations that all complete at once.
  std::vector<std::unique_ptr<Recorder<RecvOp>>> recvs;
  std::vector<std::unique_ptr<Recorder<Op>>> polls;
  for (size_t i = 0; i < count; ++i) {
    recvs.push_back(std::make_unique<Recorder<RecvOp>>(*world));
    polls.push_back(std::make_unique<Recorder<Op>>(*world));
    world->engine().recv(recvs[i]->op, acceptor.fds[i], 100);
    world->engine().poll(polls[i]->op, acceptor.fds[i], POLLRDHUP);
  }
  world->settle();
  for (const auto& peer : peers) {
    REQUIRE(peer->write("0123456789") == 10);
    peer->finish();
  }
  const auto all_done = [&](const auto& ops) {
    return std::all_of(ops.begin(), ops.end(), [](const auto& op) { return op->is_done(); });
  };
  REQUIRE(world->run_until([&] { return all_done(polls) && all_done(recvs); }));
  world->settle();
  for (size_t i = 0; i < count; ++i) {
    CHECK(recvs[i]->finals == 1);
    CHECK(recvs[i]->result() > 0);
    CHECK(polls[i]->finals == 1);
    recvs[i]->op.lease.reset();
  }
  if (world->engine().name() == "io_uring") {
    CHECK(world->engine().counters().completion_overflows > 0);
  }
  acceptor.stop();
  acceptor.close_all();
  world->engine().close(listen_fd, CloseMode::kFin);
}

namespace {

// One end of a connection whose two ends are both in the engine. The client sends its token, the
// server sends back what comes; either end may be torn down at any moment with operations pending,
// so that its descriptor's number comes back at once.
class Storm;

struct StormEnd : util::ListNode<struct StormTag> {
  StormEnd(Storm& new_storm, int new_fd, uint64_t new_token);
  void on_connected(Completion completion);
  void on_recv(Completion completion);
  void on_sent(Completion completion);
  void read();
  void write();
  void tear_down();
  void settle();

  Storm& storm;
  int fd;
  uint64_t token;  // 0: a server
  ConnectOp connect;
  RecvOp recv;
  SendOp send;
  uint64_t outgoing = 0;
  bool is_closing = false;
};

class Storm {
 public:
  Storm(World& new_world, int listen_fd, uint64_t seed)
      : world(new_world),
        engine(new_world.engine()),
        random(seed),
        address(new_world.address_of(listen_fd)),
        acceptor_(new_world, listen_fd) {
    acceptor_.accept.then = [this](Completion completion) {
      if (completion.result >= 0) add(completion.result, 0);
    };
  }

  void run(uint64_t connections, size_t at_a_time) {
    acceptor_.start(true);
    uint64_t started = 0;
    REQUIRE(world.run_until([&] {
      for (int burst = 0; burst < 4 && started < connections && clients < at_a_time; ++burst) {
        const int fd = engine.open_stream_socket(AF_INET);
        REQUIRE(fd >= 0);
        add(fd, ++started);
      }
      // Now and then one is torn down from the outside, whatever it is doing.
      if (!ends_.empty() && random.one_in(world.is_simulated() ? 100 : 3)) {
        StormEnd& victim = *std::next(ends_.begin(), static_cast<long>(random.below(ends_.size())));
        victim.tear_down();
        victim.settle();
      }
      return started == connections && clients == 0;
    }));
    for (StormEnd& end : ends_) end.tear_down();
    for (auto end = ends_.begin(); end != ends_.end();) (end++)->settle();
    acceptor_.stop();
    for (StormEnd& end : ends_) end.tear_down();
    for (auto end = ends_.begin(); end != ends_.end();) (end++)->settle();
    REQUIRE(world.run_until([&] { return ends_.empty(); }));
  }

  void add(int fd, uint64_t token) {
    StormEnd& end = ends_.emplace_back(*this, fd, token);
    if (token == 0) return end.read();
    ++clients;
    engine.connect(end.connect, fd, address);
  }

  void remove(StormEnd& end) {
    if (end.token != 0) --clients;
    ends_.remove_if([&](const StormEnd& other) { return &other == &end; });
  }

  World& world;
  event::Engine& engine;
  util::Random random;
  net::Address address;
  size_t clients = 0;
  uint64_t answered = 0;

 private:
  Acceptor acceptor_;
  std::list<StormEnd> ends_;
};

StormEnd::StormEnd(Storm& new_storm, int new_fd, uint64_t new_token)
    : storm(new_storm), fd(new_fd), token(new_token) {
  connect.bind<&StormEnd::on_connected>(this);
  recv.bind<&StormEnd::on_recv>(this);
  send.bind<&StormEnd::on_sent>(this);
}

void StormEnd::on_connected(Completion completion) {
  if (completion.result < 0) {
    tear_down();
  } else if (!is_closing) {
    outgoing = token;
    write();
    read();
  }
  settle();
}

void StormEnd::read() { storm.engine.recv(recv, fd, sizeof(token)); }

void StormEnd::write() { storm.engine.send(send, fd, std::as_bytes(std::span(&outgoing, 1))); }

void StormEnd::on_recv(Completion completion) {
  const auto got = recv.lease.bytes();
  uint64_t word = 0;
  // A split word ends the connection: it is too rare to be worth a buffer.
  const bool is_whole = completion.result == sizeof(word);
  if (is_whole) std::memcpy(&word, got.data(), sizeof(word));
  recv.lease.reset();
  if (!is_whole || is_closing) {
    tear_down();
  } else if (token != 0) {
    // Anything but its own token is another connection's byte.
    CHECK(word == token);
    ++storm.answered;
    tear_down();
  } else {
    outgoing = word;
    write();
    read();
  }
  settle();
}

void StormEnd::on_sent(Completion completion) {
  if (completion.result < 0 || storm.random.one_in(8)) tear_down();
  settle();
}

void StormEnd::tear_down() {
  is_closing = true;
  storm.engine.cancel(connect);
  storm.engine.cancel(recv);
  storm.engine.cancel(send);
}

void StormEnd::settle() {
  if (!is_closing || connect.in_flight() || recv.in_flight() || send.in_flight()) return;
  // Mostly with RST: a FIN leaves the number of the port in TIME_WAIT for a minute.
  const bool with_fin = storm.random.one_in(20);
  storm.engine.close(fd, with_fin ? CloseMode::kFin : CloseMode::kReset);
  storm.remove(*this);
}

}  // namespace

TEST_CASE("contract: a descriptor's number that comes back sees no completion of its past") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  const int listen_fd = world->make_listener(1000);
  Storm storm(*world, listen_fd, test_seed());
  const uint64_t connections = scaled(20'000, 1000);
  storm.run(connections, 32);
  CHECK(storm.answered > connections / 4);
  world->engine().close(listen_fd, CloseMode::kFin);
}

}  // namespace lb::test
