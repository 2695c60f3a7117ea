// The contract of lb/event/engine.h: buffers that run out, tasks from other threads, timers, and a
// loop that sleeps when there is nothing to do.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "lb/event/engine.h"
#include "lb/net/fd.h"
#include "lb/util/random.h"
#include "test/event/contract_world.h"
#include "test/support/byte_stream.h"
#include "test/support/catch.h"
#include "test/support/process_stats.h"
#include "test/support/scale.h"

namespace lb::test {
namespace {

using event::AcceptOp;
using event::BufferLease;
using event::CloseMode;
using event::Completion;
using event::Op;
using event::RecvOp;
using event::SendOp;
using event::Timer;

event::EngineOptions four_buffers() {
  event::EngineOptions options;
  options.max_buffers = 4;
  options.buffer_size_bytes = 128;
  options.buffer_ring_entries = 4;
  return options;
}

struct Alarm {
  explicit Alarm(World& new_world) : world(new_world) { timer.bind<&Alarm::fire>(this); }
  void fire() {
    world.enter_handler();
    fired_ms = world.clock_ms();
    if (then) then();
    world.leave_handler();
  }
  World& world;
  Timer timer;
  util::MonoTimeMs fired_ms = -1;
  std::function<void()> then;
};

}  // namespace

TEST_CASE("contract: four buffers are enough for any number of connections") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE(), four_buffers());
  constexpr size_t kConnections = 64;
  constexpr size_t kMessages = 64;  // 4096 in all
  std::vector<World::Pair> pairs;
  std::vector<std::unique_ptr<Receiver>> receivers;
  // Whoever has a buffer keeps it for a while, so that the others have to wait.
  std::vector<BufferLease> kept;
  util::Random random(1);
  for (size_t i = 0; i < kConnections; ++i) {
    pairs.push_back(world->make_pair());
    receivers.push_back(std::make_unique<Receiver>(*world, pairs[i].fd));
    receivers[i]->on_bytes = [&](BufferLease& lease) {
      if (random.one_in(2)) kept.push_back(std::move(lease));
    };
    receivers[i]->start();
  }
  std::vector<ByteStream> streams;
  for (size_t i = 0; i < kConnections; ++i) streams.emplace_back(i);
  for (size_t message = 0; message < kMessages; ++message) {
    for (size_t i = 0; i < kConnections; ++i) {
      std::string text(1 + random.below(300), '\0');
      streams[i].fill(std::as_writable_bytes(std::span(text)));
      while (!text.empty()) {
        const ssize_t written = pairs[i].peer->write(text);
        if (written > 0) text.erase(0, static_cast<size_t>(written));
        if (!text.empty()) {
          kept.clear();
          world->turn();
        }
      }
    }
    world->turn(0);
    if (kept.size() == 4) kept.clear();
  }
  for (World::Pair& pair : pairs) pair.peer->finish();
  REQUIRE(world->run_until([&] {
    kept.clear();
    return std::all_of(receivers.begin(), receivers.end(), [](auto& r) { return r->is_over(); });
  }));
  for (size_t i = 0; i < kConnections; ++i) {
    CHECK(receivers[i]->end == 0);
    CHECK(receivers[i]->bytes.size() == streams[i].offset());
    CHECK(ByteStream(i).matches(std::as_bytes(std::span(receivers[i]->bytes))));
    world->engine().close(pairs[i].fd, CloseMode::kFin);
  }
  CHECK(world->engine().counters().buffer_waits > 0);
}

TEST_CASE("contract: whoever has waited longest for a buffer gets the next one, without spinning") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE(), four_buffers());
  event::Engine& engine = world->engine();
  constexpr size_t kConnections = 20;
  std::vector<World::Pair> pairs;
  std::vector<std::unique_ptr<Recorder<RecvOp>>> recvs;
  std::vector<size_t> order;
  for (size_t i = 0; i < kConnections; ++i) {
    pairs.push_back(world->make_pair());
    world->write_all(*pairs[i].peer, "xxx");
    recvs.push_back(std::make_unique<Recorder<RecvOp>>(*world));
    recvs[i]->then = [&, i](Completion) { order.push_back(i); };
  }
  for (size_t i = 0; i < kConnections; ++i) {
    engine.recv(recvs[i]->op, pairs[i].fd, 1);
    // Each has its buffer, or its place in the queue, before the next one asks.
    world->settle();
  }
  REQUIRE(world->run_until([&] { return order.size() == 4; }));
  const uint64_t turns = engine.counters().turns;
  world->run_for(100);
  CHECK(engine.counters().turns - turns < 20);
  CHECK(order.size() == 4);
  CHECK(engine.buffers().is_exhausted());
  for (size_t next = 0; next < kConnections; ++next) {
    REQUIRE(world->run_until([&] { return order.size() > next; }));
    if (world->is_simulated()) world->settle();  // there, completions come in any order
    // Its owner gives the lease back inside a handler and asks for more at once: it has to queue.
    engine.post([&, who = order[next]] {
      recvs[who]->op.lease.reset();
      engine.recv(recvs[who]->op, pairs[who].fd, 1);
    });
  }
  world->settle();
  order.resize(kConnections);
  std::vector<size_t> expected(kConnections);
  std::iota(expected.begin(), expected.end(), 0);
  if (world->is_simulated()) std::sort(order.begin(), order.begin() + 4);
  CHECK(order == expected);
  for (auto& recv : recvs) engine.cancel(recv->op);
  REQUIRE(world->run_until([&] {
    for (auto& recv : recvs) recv->op.lease.reset();
    return std::none_of(recvs.begin(), recvs.end(), [](auto& r) { return r->op.in_flight(); });
  }));
  for (const World::Pair& pair : pairs) engine.close(pair.fd, CloseMode::kReset);
}

TEST_CASE("contract: a lease that comes back between two turns wakes whoever waits for it") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE(), four_buffers());
  std::vector<World::Pair> pairs;
  std::vector<std::unique_ptr<Recorder<RecvOp>>> recvs;
  for (size_t i = 0; i < 5; ++i) {
    pairs.push_back(world->make_pair());
    recvs.push_back(std::make_unique<Recorder<RecvOp>>(*world));
    world->engine().recv(recvs[i]->op, pairs[i].fd, 100);
    world->write_all(*pairs[i].peer, "x");
    if (i < 4) REQUIRE(world->run_until([&] { return recvs[i]->is_done(); }));
  }
  world->settle();
  CHECK_FALSE(recvs[4]->is_done());
  recvs[0]->op.lease.reset();
  const util::MonoTimeMs before_ms = world->clock_ms();
  for (int turn = 0; turn < 100 && !recvs[4]->is_done(); ++turn) world->turn(10'000);
  CHECK(recvs[4]->is_done());
  CHECK(world->clock_ms() - before_ms < 9'000);
  for (size_t i = 0; i < 5; ++i) {
    recvs[i]->op.lease.reset();
    world->engine().close(pairs[i].fd, CloseMode::kFin);
  }
}

TEST_CASE("contract: a recv that waits for a buffer can be cancelled") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE(), four_buffers());
  std::vector<World::Pair> pairs;
  std::vector<std::unique_ptr<Recorder<RecvOp>>> recvs;
  for (size_t i = 0; i < 8; ++i) {
    pairs.push_back(world->make_pair());
    world->write_all(*pairs[i].peer, "x");
    recvs.push_back(std::make_unique<Recorder<RecvOp>>(*world));
    world->engine().recv(recvs[i]->op, pairs[i].fd, 100);
  }
  const auto done = [&] {
    return std::count_if(recvs.begin(), recvs.end(), [](auto& recv) { return recv->is_done(); });
  };
  REQUIRE(world->run_until([&] { return done() == 4; }));
  world->settle();
  for (auto& recv : recvs) world->engine().cancel(recv->op);
  REQUIRE(world->run_until([&] { return done() == 8; }));
  int cancelled = 0;
  for (auto& recv : recvs) {
    CHECK(recv->finals == 1);
    cancelled += recv->result() == -ECANCELED ? 1 : 0;
  }
  CHECK(cancelled == 4);
  for (size_t i = 0; i < 8; ++i) {
    recvs[i]->op.lease.reset();
    world->engine().close(pairs[i].fd, CloseMode::kFin);
  }
}

TEST_CASE("contract: a task posted from another thread wakes a loop that sleeps") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  std::atomic<bool> has_run = false;
  const std::thread::id loop_thread = std::this_thread::get_id();
  bool is_loop_thread = false;
  std::thread poster([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    world->engine().post([&] {
      is_loop_thread = std::this_thread::get_id() == loop_thread;
      has_run = true;
    });
  });
  const uint64_t turns = world->engine().counters().turns;
  while (!has_run) world->engine().run_once(util::kNever);
  poster.join();
  CHECK(is_loop_thread);
  CHECK(world->engine().counters().turns - turns < 10);
}

TEST_CASE("contract: 100000 tasks from four threads run once each, in the order of each thread") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  const int each = static_cast<int>(scaled(25'000, 2500));
  std::vector<std::vector<int>> seen(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < each; ++i) {
        world->engine().post([&seen, t, i] { seen[t].push_back(i); });
      }
    });
  }
  size_t left = 4 * static_cast<size_t>(each);
  while (left > 0) {
    world->engine().run_once(util::kNever);
    left = 4 * static_cast<size_t>(each);
    for (const auto& numbers : seen) left -= numbers.size();
  }
  for (std::thread& thread : threads) thread.join();
  world->settle();
  std::vector<int> expected(static_cast<size_t>(each));
  std::iota(expected.begin(), expected.end(), 0);
  for (const auto& numbers : seen) CHECK(numbers == expected);
}

TEST_CASE("contract: a task may post, and is not run inside the post") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  int depth = 0;
  int deepest = 0;
  int runs = 0;
  std::function<void()> task = [&] {
    ++depth;
    deepest = std::max(deepest, depth);
    if (++runs < 100) world->engine().post(task);
    --depth;
  };
  world->engine().post(task);
  CHECK(runs == 0);
  REQUIRE(world->run_until([&] { return runs == 100; }));
  CHECK(deepest == 1);
}

TEST_CASE("contract: tasks that never ran are destroyed with the engine") {
  const auto marker = std::make_shared<int>(1);
  {
    const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
    world->engine().post([marker] {});
    CHECK(marker.use_count() == 2);
  }
  CHECK(marker.use_count() == 1);
}

TEST_CASE("contract: timers fire while the loop sleeps, never early and not much later") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  const util::MonoTimeMs start_ms = world->clock_ms();
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (const int delay_ms : {1, 5, 20, 64, 100, 150}) {
    alarms.push_back(std::make_unique<Alarm>(*world));
    world->engine().timers().start(alarms.back()->timer, start_ms + delay_ms);
  }
  const util::MonoTimeMs patience_ms = patience(std::chrono::milliseconds(100)).count();
  REQUIRE(world->run_until([&] { return alarms.back()->fired_ms >= 0; }));
  for (const auto& alarm : alarms) {
    CHECK(alarm->fired_ms >= alarm->timer.deadline_ms());
    CHECK(alarm->fired_ms <= alarm->timer.deadline_ms() + patience_ms);
  }
  // A loop that only waits for its timers needs few turns.
  CHECK(world->engine().counters().turns < 60);
}

TEST_CASE("contract: run_once returns at its deadline, and sees time as it is") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  event::Engine& engine = world->engine();
  const util::MonoTimeMs patience_ms = patience(std::chrono::milliseconds(200)).count();
  for (const int wait_ms : {-5, 0, 1, 30}) {
    const util::MonoTimeMs before_ms = world->clock_ms();
    const util::MonoTimeMs deadline_ms = before_ms + wait_ms;
    while (world->clock_ms() < deadline_ms) engine.run_once(deadline_ms);
    engine.run_once(deadline_ms);  // one that has passed is no wait at all
    CHECK(world->clock_ms() <= deadline_ms + patience_ms + 5);
    CHECK(engine.now_ms() >= before_ms);
    CHECK(engine.now_ms() <= world->clock_ms());
  }
}

TEST_CASE("contract: a loop with nothing to do sleeps, whatever is in flight") {
  const auto world = World::make(SLUICE_EACH_CONTRACT_ENGINE());
  event::Engine& engine = world->engine();
  auto [fd, peer] = world->make_pair();
  const int listen_fd = world->make_listener(10);
  const int dial_fd = engine.open_stream_socket(AF_INET);
  auto [poll_fd, poll_peer] = world->make_pair();
  const std::vector<std::byte> bytes(kBlockingBytes);
  const net::Address silent = world->silent_address();
  Recorder<RecvOp> recv(*world);
  Recorder<SendOp> send(*world);
  Recorder<AcceptOp> accept(*world);
  Recorder<event::ConnectOp> connect(*world);
  Recorder<Op> poll(*world);
  engine.recv(recv.op, fd, 100);
  engine.send(send.op, fd, bytes);
  engine.accept(accept.op, listen_fd, true);
  engine.connect(connect.op, dial_fd, silent);
  engine.poll(poll.op, poll_fd, POLLIN);
  world->settle();
  const uint64_t turns = engine.counters().turns;
  const auto cpu = cpu_time(getpid());
  world->run_for(200);
  CHECK(engine.counters().turns - turns <= 4);
  CHECK((cpu_time(getpid()) - cpu).count() <= 20);
  for (Op* op : {static_cast<Op*>(&recv.op), static_cast<Op*>(&send.op),
                 static_cast<Op*>(&accept.op), static_cast<Op*>(&connect.op), &poll.op}) {
    CHECK(op->in_flight());
    engine.cancel(*op);
    REQUIRE(world->run_until([&] { return !op->in_flight(); }));
  }
  for (const int open_fd : {fd, listen_fd, dial_fd, poll_fd}) {
    engine.close(open_fd, CloseMode::kReset);
  }
}

TEST_CASE("contract: a connection that always has bytes holds up neither timers nor tasks") {
  const std::string name = SLUICE_EACH_CONTRACT_ENGINE();
  if (name == "simulated") return;  // it has no turns that could be long
  const auto world = World::make(name);
  const World::Pair pair = world->make_pair();
  size_t queued = 0;
  while (queued < 300'000) {
    const ssize_t written = pair.peer->write(std::string(1'000, 'x'));
    if (written <= 0) break;
    queued += static_cast<size_t>(written);
  }
  REQUIRE(queued >= 100'000);
  // A byte at a time: without a bound on a turn's work this would be one turn of long duration.
  size_t received = 0;
  Recorder<RecvOp> recv(*world);
  recv.then = [&](Completion completion) {
    if (completion.result <= 0) return;
    ++received;
    recv.op.lease.reset();
    if (received < queued) world->engine().recv(recv.op, pair.fd, 1);
  };
  size_t received_at_timer = 0;
  size_t received_at_task = 0;
  Alarm alarm(*world);
  alarm.then = [&] {
    received_at_timer = received;
    world->engine().post([&] { received_at_task = received; });
  };
  world->engine().timers().start(alarm.timer, world->clock_ms() + 2);
  world->engine().recv(recv.op, pair.fd, 1);
  REQUIRE(world->run_until([&] { return received == queued; }));
  CHECK(alarm.fired_ms >= 0);
  CHECK(received_at_timer < queued / 2);
  CHECK(received_at_task > 0);
  CHECK(received_at_task < queued / 2);
  world->engine().close(pair.fd, CloseMode::kFin);
}

TEST_CASE("contract: poll watches descriptors that are no sockets") {
  const std::string name = SLUICE_EACH_CONTRACT_ENGINE();
  if (name == "simulated") return;  // it has no others
  const auto world = World::make(name);
  const net::UniqueFd event_fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  Recorder<Op> poll(*world);
  for (int round = 1; round <= 3; ++round) {
    world->engine().poll(poll.op, event_fd.get(), POLLIN);
    world->settle();
    CHECK(poll.op.in_flight());
    uint64_t count = 1;
    REQUIRE(write(event_fd.get(), &count, sizeof(count)) == sizeof(count));
    REQUIRE(world->run_until([&] { return poll.finals == round; }));
    CHECK(poll.result() == POLLIN);
    REQUIRE(read(event_fd.get(), &count, sizeof(count)) == sizeof(count));
  }
}

TEST_CASE("contract: an engine leaves nothing behind") {
  const std::string name = SLUICE_EACH_CONTRACT_ENGINE();
  const auto run = [&] {
    const auto world = World::make(name);
    auto [fd, peer] = world->make_pair();
    Receiver receiver(*world, fd);
    receiver.start();
    peer->write("x");
    peer->finish();
    REQUIRE(world->run_until([&] { return receiver.is_over(); }));
    world->engine().close(fd, CloseMode::kFin);
  };
  run();
  const int before = open_fd_count(getpid());
  for (int i = 0; i < 20; ++i) run();
  CHECK(open_fd_count(getpid()) == before);
}

}  // namespace lb::test
