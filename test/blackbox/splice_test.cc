// Flows that go through a pipe: how they end, how they change, and what must not get stuck in one.
#include <linux/sockios.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "lb/util/random.h"
#include "test/blackbox/stream_backend.h"
#include "test/support/admin_client.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/process_stats.h"
#include "test/support/scale.h"

namespace lb::test {
namespace {

using std::chrono::milliseconds;

std::string splice(const std::string& mode) { return "workers = 1\nsplice = \"" + mode + "\""; }

// A client of a StreamBackend that reads slowly, if at all.
Socket ask_for(const Balancer& balancer, std::string_view wish) {
  Socket client = balancer.connect({.receive_buffer_bytes = 16 * 1024});
  client.send(wish);
  return client;
}

void expect_stream(Socket& client, uint64_t size_bytes) {
  ByteStream stream(StreamBackend::kSeed);
  client.recv_stream(stream, size_bytes);
}

void freeze(const SluiceProcess& process) {
  process.send_signal(SIGSTOP);
  const std::string path = "/proc/" + std::to_string(process.pid());
  REQUIRE(eventually([&] {
    const auto states =
        run_command({.argv = {"sh", "-c", "cut -d' ' -f3 " + path + "/task/*/stat"}}).out;
    return states.find_first_not_of("T\n") == std::string::npos;
  }));
}

double spliced_bytes(const Balancer& balancer) {
  return metrics_of(balancer.process()).at("sluice_spliced_bytes_total");
}

// There and back again. `begin` is called while the client sends, and told when it has.
void exchange_burst(
    Socket& client, ByteStream& out, ByteStream& back, uint64_t size_bytes,
    const std::function<void(const std::atomic<bool>&)>& begin = [](const std::atomic<bool>&) {}) {
  std::atomic<bool> has_sent = false;
  std::thread sender([&] {
    client.send_stream(out, size_bytes);
    has_sent = true;
  });
  try {
    begin(has_sent);
    client.recv_stream(back, size_bytes);
  } catch (...) {
    sender.join();
    throw;
  }
  sender.join();
}

// The same with most of it waiting in the sockets before the balancer takes the first of it: that
// is a stream however slow the client is.
void exchange_stream(Balancer& balancer, Socket& client, ByteStream& out, ByteStream& back,
                     uint64_t size_bytes) {
  constexpr int kWaitingBytes = 512 * 1024;
  freeze(balancer.process());
  exchange_burst(client, out, back, size_bytes, [&](const std::atomic<bool>& has_sent) {
    const bool is_waiting = eventually([&] {
      int waiting_bytes = 0;
      return has_sent || (::ioctl(client.fd(), SIOCOUTQ, &waiting_bytes) == 0 &&
                          waiting_bytes >= kWaitingBytes);
    });
    balancer.process().send_signal(SIGCONT);
    if (!is_waiting) throw Failure("the client's socket takes too little");
  });
}

}  // namespace

TEST_CASE("a FIN behind a full pipe comes after all that was sent") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto mode = GENERATE(as<std::string>(), "always", "auto");
  // By itself a flow streams for sure once the client's socket is full, which takes megabytes.
  const std::vector<uint64_t> sizes_bytes =
      mode == "auto" ? std::vector<uint64_t>{50'000'000}
                     : std::vector<uint64_t>{300'000, 2'500'000, 50'000'000};
  for (const uint64_t size_bytes : sizes_bytes) {
    INFO(engine << ", " << mode << ", " << size_bytes << " bytes");
    StreamBackend backend(size_bytes);
    Balancer balancer(engine, {backend.address()}, {.runtime = splice(mode)});
    Socket client = ask_for(balancer, "s");
    REQUIRE_NOTHROW(backend.wait_stuck());
    REQUIRE_NOTHROW(expect_stream(client, size_bytes));
    CHECK_NOTHROW(client.expect_fin());
    client.close();
    const AccessRecord record = balancer.process().wait_records(1).front();
    CHECK(record.number("bytes_out") == static_cast<int64_t>(size_bytes));
    INFO(balancer.process().log().text());
    CHECK(record.text("relay") == "splice");
    CHECK(record.close_word() == "server_fin");
    CHECK_NOTHROW(balancer.process().stop());
  }
}

TEST_CASE("an upload's FIN comes after all that was sent, to a backend that pauses") {
  const auto engine = SLUICE_EACH_ENGINE();
  const uint64_t size_bytes = scaled(20'000'000, 3'000'000);
  StreamBackend backend(size_bytes);
  Balancer balancer(engine, {backend.address()}, {.runtime = splice("always")});
  Socket client = balancer.connect();
  client.send("c");
  ByteStream stream(StreamBackend::kSeed);
  client.send_stream(stream, size_bytes);
  client.finish();
  CHECK_NOTHROW(client.recv_exactly(1));
  CHECK_NOTHROW(client.expect_fin());
  client.close();
  CHECK(balancer.process().wait_records(1).front().number("bytes_in") ==
        static_cast<int64_t>(size_bytes) + 1);
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("short segments that fill a pipe by their number do not get stuck in silence") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto [segment_bytes, count] =
      GENERATE(table<size_t, uint64_t>({{1, 1500}, {100, 500}, {1448, 450}}));
  INFO(engine << ", " << segment_bytes << " bytes");
  StreamBackend backend;
  Balancer balancer(engine, {backend.address()}, {.runtime = splice("always")});
  Socket client = balancer.connect();
  client.send("e");
  // Neighbours in the sender's memory would be one segment again: every other one goes elsewhere.
  Socket decoy = Socket::connect(backend.address());
  decoy.send("n");
  ByteStream back(2);
  for (int round = 0; round < 2; ++round) {
    // All of it waits in the socket before the balancer takes the first.
    freeze(balancer.process());
    std::atomic<uint64_t> sent = 0;
    std::thread sender([&, segment_bytes = segment_bytes, count = count] {
      ByteStream out(2);
      std::vector<std::byte> skipped(static_cast<size_t>(round) * count * segment_bytes);
      out.fill(skipped);
      for (uint64_t i = 0; i < count; ++i) {
        client.send_stream(out, segment_bytes);
        decoy.send_now(std::as_bytes(std::span("d", 1)));
        ++sent;
      }
    });
    for (uint64_t before = UINT64_MAX; before != sent && sent < count;) {
      before = sent;
      std::this_thread::sleep_for(milliseconds(100));
    }
    balancer.process().send_signal(SIGCONT);
    CHECK_NOTHROW(client.recv_stream(back, count * segment_bytes));
    sender.join();
  }
  client.finish();
  CHECK_NOTHROW(client.expect_fin());
  client.close();
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("a flow that bursts and chats in turn changes its mode and keeps its order") {
  const auto engine = SLUICE_EACH_ENGINE();
  StreamBackend backend;
  Balancer balancer(engine, {backend.address()}, {.runtime = splice("auto")});
  // One that only chats is never spliced.
  Socket chat = balancer.connect();
  chat.send("e");
  for (int i = 0; i < 20; ++i) REQUIRE_NOTHROW(expect_echo(chat, "just a word"));
  CHECK(spliced_bytes(balancer) == 0);

  Socket client = balancer.connect();
  client.send("e");
  ByteStream out(3);
  ByteStream back(3);
  util::Random random(test_seed());
  uint64_t total_bytes = 0;
  for (int round = 0; round < 6; ++round) {
    const double before = spliced_bytes(balancer);
    const uint64_t burst_bytes = (1 << 20) + random.below(1 << 20);
    REQUIRE_NOTHROW(exchange_stream(balancer, client, out, back, burst_bytes));
    CHECK(eventually([&] { return spliced_bytes(balancer) > before; }));
    total_bytes += burst_bytes;
    // It calms down: the second message still ends the stream, the others are copied.
    for (int i = 0; i < 4; ++i) {
      const uint64_t size_bytes = 1 + random.below(4000);
      REQUIRE_NOTHROW(exchange_burst(client, out, back, size_bytes));
      total_bytes += size_bytes;
    }
    const double calm = spliced_bytes(balancer);
    for (int i = 0; i < 10; ++i) {
      const uint64_t size_bytes = 1 + random.below(4000);
      REQUIRE_NOTHROW(exchange_burst(client, out, back, size_bytes));
      total_bytes += size_bytes;
    }
    CHECK(spliced_bytes(balancer) == calm);
  }
  CHECK(spliced_bytes(balancer) > 0);
  CHECK(spliced_bytes(balancer) < 2 * static_cast<double>(total_bytes));
  const std::string address = client.local_address().to_string();
  client.finish();
  CHECK_NOTHROW(client.expect_fin());
  client.close();
  CHECK(balancer.process().wait_record(address).text("relay") == "splice");
  const std::string chat_address = chat.local_address().to_string();
  chat.close();
  CHECK(balancer.process().wait_record(chat_address).text("relay") == "copy");
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("where splicing is off nothing is spliced") {
  const auto engine = SLUICE_EACH_ENGINE();
  StreamBackend backend(5'000'000);
  Balancer balancer(engine, {backend.address()}, {.runtime = splice("off")});
  const int pipe_ends = pipe_end_count(balancer.process().pid());
  Socket client = balancer.connect();
  client.send("s");
  CHECK_NOTHROW(expect_stream(client, 5'000'000));
  client.close();
  CHECK(balancer.process().wait_records(1).front().text("relay") == "copy");
  CHECK(spliced_bytes(balancer) == 0);
  CHECK(pipe_end_count(balancer.process().pid()) == pipe_ends);
}

TEST_CASE("a RST in mid-splice ends both sides, and its bytes are nobody else's") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto mode = GENERATE(as<std::string>(), "always", "auto");
  const bool by_client = GENERATE(true, false);
  INFO(engine << ", " << mode << (by_client ? ", client" : ", backend"));
  constexpr int kCount = 20;
  StreamBackend backend;
  Balancer balancer(
      engine, {backend.address()},
      {.listener = R"(timeout.tcp.halfCloseTimeout = "1s")", .runtime = splice(mode)});
  const pid_t pid = balancer.process().pid();
  Socket other = balancer.connect();
  other.send("e");
  REQUIRE_NOTHROW(expect_echo(other, "before"));
  std::vector<Socket> clients;
  for (int i = 0; i < kCount; ++i) clients.push_back(ask_for(balancer, by_client ? "n" : "r"));
  REQUIRE_NOTHROW(backend.wait_stuck());
  const int ends_stuck = pipe_end_count(pid);
  CHECK(ends_stuck >= 2 * kCount / 2);
  if (by_client) {
    for (Socket& client : clients) client.reset();
    CHECK(eventually([&] { return backend.broken() == kCount; }));
  } else {
    backend.let_reset();
    // Those that do not read get theirs at the deadline, the others after what came before.
    for (int i = 0; i < kCount / 2; ++i) {
      ByteStream stream(StreamBackend::kSeed);
      bool right = true;
      const Socket::End end = clients[static_cast<size_t>(i)].recv_to_end(
          [&](std::span<const std::byte> bytes) { right = right && stream.matches(bytes); });
      CHECK(right);
      CHECK(end == Socket::End::kRST);
    }
  }
  const auto records = balancer.process().wait_records(kCount);
  for (const AccessRecord& record : records) {
    INFO(record.line());
    CHECK(record.close_word() == (by_client ? "client_reset" : "server_reset"));
    CHECK(record.text("relay") == "splice");
  }
  // What is left in a pipe goes with it.
  CHECK(eventually([&] { return pipe_end_count(pid) < ends_stuck; }));
  REQUIRE_NOTHROW(expect_echo(other, "after"));
  ByteStream out(4);
  ByteStream back(4);
  for (int i = 0; i < 5; ++i) REQUIRE_NOTHROW(exchange_burst(other, out, back, 1 << 20));
  other.finish();
  CHECK_NOTHROW(other.expect_fin());
  other.close();
  clients.clear();
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("SIGTERM: spliced flows end by themselves, and by RST at the deadline") {
  const auto engine = SLUICE_EACH_ENGINE();
  const uint64_t size_bytes = 10'000'000;
  StreamBackend backend(size_bytes);
  Balancer balancer(engine, {backend.address()},
                    {.runtime = splice("always") + "\nshutdownTimeout = \"2s\""});
  Socket ending = ask_for(balancer, "s");
  Socket stuck = ask_for(balancer, "n");
  REQUIRE_NOTHROW(backend.wait_stuck());
  balancer.process().send_signal(SIGTERM);
  REQUIRE_NOTHROW(expect_stream(ending, size_bytes));
  CHECK_NOTHROW(ending.expect_fin());
  ending.close();
  CHECK(balancer.process().wait_exit() == 0);
  ByteStream stream(StreamBackend::kSeed);
  bool right = true;
  CHECK(stuck.recv_to_end([&](std::span<const std::byte> bytes) {
    right = right && stream.matches(bytes);
  }) == Socket::End::kRST);
  CHECK(right);
  const auto records = balancer.process().records();
  REQUIRE(records.size() == 2);
  CHECK(records[0].close_word() == "server_fin");
  CHECK(records[1].close_word() == "drained");
}

TEST_CASE("an urgent byte neither stops a spliced flow nor burns the CPU") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto mode = GENERATE(as<std::string>(), "off", "always", "auto");
  INFO(engine << ", " << mode);
  StreamBackend backend;
  Balancer balancer(engine, {backend.address()}, {.runtime = splice(mode)});
  Socket client = balancer.connect();
  client.send("e");
  ByteStream out(5);
  ByteStream back(5);
  REQUIRE_NOTHROW(exchange_burst(client, out, back, 1 << 20));
  REQUIRE(::send(client.fd(), "!", 1, MSG_OOB) == 1);
  client.send("after");
  const milliseconds cpu_before = cpu_time(balancer.process().pid());
  // The byte itself is out of band: it is no part of the stream.
  CHECK(client.recv_exactly(5) == "after");
  std::this_thread::sleep_for(milliseconds(500));
  CHECK(cpu_time(balancer.process().pid()) - cpu_before <= patience(milliseconds(200)));
  REQUIRE_NOTHROW(exchange_burst(client, out, back, 1 << 20));
  // The last byte of a connection that waits for more.
  REQUIRE(::send(client.fd(), "!", 1, MSG_OOB) == 1);
  std::this_thread::sleep_for(milliseconds(300));
  CHECK(cpu_time(balancer.process().pid()) - cpu_before <= patience(milliseconds(300)));
  client.finish();
  CHECK_NOTHROW(client.expect_fin());
  client.close();
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("what is behind an urgent byte is not lost when the FIN is there too") {
  const auto engine = SLUICE_EACH_ENGINE();
  StreamBackend backend;
  Balancer balancer(engine, {backend.address()}, {.runtime = splice("always")});
  Socket client = balancer.connect();
  client.send("e");
  REQUIRE_NOTHROW(expect_echo(client, "hello"));
  // A splice says of an urgent byte with a FIN somewhere behind it that the stream is over.
  freeze(balancer.process());
  client.send("before");
  REQUIRE(::send(client.fd(), "!", 1, MSG_OOB) == 1);
  client.send("after");
  client.finish();
  std::this_thread::sleep_for(milliseconds(50));
  balancer.process().send_signal(SIGCONT);
  CHECK(client.recv_exactly(11) == "beforeafter");
  CHECK_NOTHROW(client.expect_fin());
  client.close();
  CHECK_NOTHROW(balancer.process().stop());
}

}  // namespace lb::test
