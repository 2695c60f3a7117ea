// How connections end: RST goes through as RST after what was received, FIN as FIN, and silence
// ends by the timeouts.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/scale.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// What a side sent before its RST, and how much of it the next kernel had acknowledged.
struct ResetSender {
  std::atomic<uint64_t> sent_bytes = 0;
  std::atomic<uint64_t> acknowledged_bytes = 0;
  std::atomic<bool> done = false;

  // Sends up to `size_bytes`, for as long as the other end takes any, and resets. The other end
  // must know that it is connected: a RST may overtake the news.
  void run(Socket& socket, uint64_t size_bytes) {
    ByteStream stream(1);
    std::vector<std::byte> chunk(std::min<uint64_t>(16 * 1024, size_bytes));
    size_t rest = 0;
    auto last_progress = steady_clock::now();
    while (sent_bytes < size_bytes && steady_clock::now() - last_progress < milliseconds(300)) {
      if (rest == 0) {
        stream.fill(chunk);
        rest = chunk.size();
      }
      const size_t count = socket.send_now(std::span(chunk).last(rest));
      rest -= count;
      sent_bytes += count;
      if (count > 0) last_progress = steady_clock::now();
      if (count == 0) std::this_thread::sleep_for(milliseconds(1));
    }
    eventually([&] { return socket.unacknowledged_bytes() == 0; }, milliseconds(200));
    acknowledged_bytes = sent_bytes - socket.unacknowledged_bytes();
    socket.reset();
    done = true;
  }
};

// Reads slowly until the end: every byte must be the stream's, the end a RST, and nothing that was
// acknowledged may be missing.
void expect_stream_then_reset(Socket& socket, const ResetSender& sender) {
  if (!eventually([&] { return sender.done.load(); }, std::chrono::seconds(10))) {
    throw Failure("the sender does not come to its RST");
  }
  std::this_thread::sleep_for(milliseconds(300));
  ByteStream stream(1);
  uint64_t received_bytes = 0;
  bool right = true;
  const Socket::End end = socket.recv_to_end([&](std::span<const std::byte> bytes) {
    right = right && stream.matches(bytes);
    received_bytes += bytes.size();
    std::this_thread::sleep_for(milliseconds(1));
  });
  const std::string counts = std::to_string(received_bytes) + " bytes of " +
                             std::to_string(sender.acknowledged_bytes) + " acknowledged and " +
                             std::to_string(sender.sent_bytes) + " sent";
  if (!right) throw Failure("wrong bytes before the RST: " + counts);
  if (received_bytes < sender.acknowledged_bytes) throw Failure("bytes are lost: " + counts);
  if (end == Socket::End::kFIN) throw Failure("FIN after truncated data: " + counts);
  if (end == Socket::End::kNone) throw Failure("no end: " + counts);
}

milliseconds since(steady_clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
}

// The end that the last connection of `balancer` had.
void check_close(const Balancer& balancer, const std::string& word) {
  const AccessRecord record = balancer.process().wait_records(1).back();
  INFO(record.line());
  CHECK(record.close_word() == word);
}

}  // namespace

TEST_CASE("a direct connection delivers what came before a RST") {
  const uint64_t size_bytes = GENERATE(as<uint64_t>(), 100'000, 1 << 20);
  ResetSender sender;
  TcpBackend backend([&](Socket& socket) {
    socket.recv_exactly(1);
    sender.run(socket, size_bytes);
  });
  Socket client = Socket::connect(backend.address(), {.receive_buffer_bytes = 64 * 1024});
  client.send("s");
  CHECK_NOTHROW(expect_stream_then_reset(client, sender));
}

TEST_CASE("a backend's RST follows all that was received, to a client that reads slowly") {
  const auto engine = SLUICE_EACH_ENGINE();
  const uint64_t size_bytes = GENERATE(as<uint64_t>(), 1000, 100'000, 1 << 20, 64 << 20);
  INFO(engine << ", " << size_bytes << " bytes");
  ResetSender sender;
  TcpBackend backend([&](Socket& socket) {
    socket.recv_exactly(1);
    sender.run(socket, size_bytes);
  });
  Balancer balancer(engine, {backend.address()});
  Socket client = balancer.connect({.receive_buffer_bytes = 64 * 1024});
  client.send("s");
  CHECK_NOTHROW(expect_stream_then_reset(client, sender));
  client.close();
  check_close(balancer, "server_reset");
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("a client's RST follows all that was received, to a backend that reads slowly") {
  const auto engine = SLUICE_EACH_ENGINE();
  const uint64_t size_bytes = GENERATE(as<uint64_t>(), 1000, 100'000, 1 << 20, 64 << 20);
  INFO(engine << ", " << size_bytes << " bytes");
  ResetSender sender;
  TcpBackend backend([&](Socket& socket) {
    socket.set_receive_buffer(64 * 1024);
    expect_stream_then_reset(socket, sender);
  });
  Balancer balancer(engine, {backend.address()});
  Socket client = balancer.connect();
  sender.run(client, size_bytes);
  CHECK_NOTHROW(backend.wait_finished(1));
  check_close(balancer, "client_reset");
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("after a RST, a peer that never reads gets one too, within halfCloseTimeout") {
  const auto engine = SLUICE_EACH_ENGINE();
  ResetSender sender;
  TcpBackend backend([&](Socket& socket) {
    socket.recv_exactly(1);
    sender.run(socket, 64 << 20);
  });
  Balancer balancer(engine, {backend.address()},
                    {.listener = R"(timeout.tcp.halfCloseTimeout = "1s")"});
  Socket client = balancer.connect({.receive_buffer_bytes = 16 * 1024});
  client.send("s");
  REQUIRE(eventually([&] { return sender.done.load(); }));
  const auto start = steady_clock::now();
  CHECK_NOTHROW(balancer.process().wait_quiet());
  CHECK(since(start) < patience(milliseconds(3000)));
  CHECK(client.recv_to_end([](std::span<const std::byte>) {}) == Socket::End::kRST);
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("a RST of an idle connection goes through at once") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool by_client = GENERATE(true, false);
  INFO(engine << (by_client ? ", client" : ", backend"));
  std::atomic<bool> backend_resets = false;
  std::atomic<int64_t> backend_saw_ms = -1;
  const auto begin = steady_clock::now();
  TcpBackend backend([&](Socket& socket) {
    socket.send(socket.recv_exactly(5));
    if (by_client) {
      socket.expect_reset();
      backend_saw_ms = since(begin).count();
    } else {
      while (!backend_resets) std::this_thread::sleep_for(milliseconds(1));
      socket.reset();
    }
  });
  Balancer balancer(engine, {backend.address()});
  Socket client = balancer.connect_echo();
  Socket other = balancer.connect_echo();
  std::this_thread::sleep_for(milliseconds(100));
  const milliseconds start = since(begin);
  if (by_client) {
    client.reset();
    REQUIRE(eventually([&] { return backend_saw_ms >= 0; }));
    CHECK(milliseconds(backend_saw_ms) - start < patience(milliseconds(1000)));
  } else {
    backend_resets = true;
    REQUIRE_NOTHROW(client.expect_reset());
    CHECK(since(begin) - start < patience(milliseconds(1000)));
  }
  check_close(balancer, by_client ? "client_reset" : "server_reset");
  CHECK(balancer.process().records().front().close_place() == "data");
  other.reset();
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("a client's RST in mid-transfer ends the backend, and no other connection") {
  const auto engine = SLUICE_EACH_ENGINE();
  // A close with unread data is a RST on the wire as well, sent by the client's kernel.
  const bool by_close = GENERATE(true, false);
  std::atomic<bool> backend_ended = false;
  TcpBackend source([&](Socket& socket) {
    if (socket.recv_exactly(1) == "e") {
      echo(socket);
      return;
    }
    ByteStream stream(1);
    try {
      socket.send_stream(stream, UINT64_MAX);
    } catch (const Failure&) {
      backend_ended = true;
    }
  });
  Balancer balancer(engine, {source.address()});
  Socket other = balancer.connect();
  other.send("e");
  expect_echo(other, "before");
  Socket client = balancer.connect();
  client.send("s");
  ByteStream stream(1);
  client.recv_stream(stream, 1 << 20);
  by_close ? client.close() : client.reset();
  CHECK(eventually([&] { return backend_ended.load(); }, milliseconds(1000)));
  check_close(balancer, "client_reset");
  CHECK_NOTHROW(expect_echo(other, "after"));
  other.close();
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("a RST after a FIN of the other direction is a RST, not an end of data") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend([](Socket& socket) {
    socket.expect_fin();
    socket.send("partial");
    socket.wait_acknowledged();
    socket.reset();
  });
  Balancer balancer(engine, {backend.address()});
  Socket client = balancer.connect();
  client.finish();
  std::string received;
  const Socket::End end = client.recv_to_end([&](std::span<const std::byte> bytes) {
    received.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  CHECK(end == Socket::End::kRST);
  CHECK(received == "partial");
  check_close(balancer, "server_reset");
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("the side that finishes first names the close") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool client_first = GENERATE(true, false);
  TcpBackend backend([&](Socket& socket) {
    if (client_first) socket.expect_fin();
    socket.finish();
    if (!client_first) socket.expect_fin();
  });
  Balancer balancer(engine, {backend.address()});
  Socket client = balancer.connect();
  if (!client_first) client.expect_fin();
  client.finish();
  if (client_first) client.expect_fin();
  check_close(balancer, client_first ? "client_fin" : "server_fin");
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("an idle connection is closed by FIN on both sides, one that moves is not") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool client_moves = GENERATE(true, false);
  INFO(engine);
  // Bytes in one direction only keep the connection, whichever direction that is.
  const auto trickle = [](Socket& socket) {
    for (int i = 0; i < 6; ++i) {
      socket.send("x");
      std::this_thread::sleep_for(milliseconds(300));
    }
  };
  TcpBackend backend([&](Socket& socket) {
    if (!client_moves) trickle(socket);
    if (client_moves) socket.recv_exactly(6);
    socket.expect_fin();
  });
  Balancer balancer(engine, {backend.address()}, {.listener = R"(timeout.tcp.idleTimeout = "1s")"});
  Socket client = balancer.connect();
  if (client_moves) trickle(client);
  if (!client_moves) client.recv_exactly(6);
  const auto start = steady_clock::now();
  REQUIRE_NOTHROW(client.expect_fin());
  // The client's trickle ends with a pause of 300 ms after its last byte.
  CHECK(since(start) > milliseconds(500));
  CHECK(since(start) < patience(milliseconds(2500)));
  CHECK_NOTHROW(backend.wait_finished(1));
  check_close(balancer, "idle_timeout");
  client.close();
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("an idle timeout frees a connection whose client does not read") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend([](Socket& socket) {
    ByteStream stream(1);
    socket.send_stream(stream, UINT64_MAX);
  });
  Balancer balancer(
      engine, {backend.address()},
      {.listener = R"(timeout.tcp = { idleTimeout = "1s", halfCloseTimeout = "1s" })"});
  Socket client = balancer.connect({.receive_buffer_bytes = 16 * 1024});
  REQUIRE_NOTHROW(balancer.process().wait_records(1));
  check_close(balancer, "idle_timeout");
  ByteStream stream(1);
  bool right = true;
  client.recv_to_end([&](std::span<const std::byte> bytes) { right &= stream.matches(bytes); });
  CHECK(right);
  client.close();
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("a half-closed connection on which nothing moves ends by halfCloseTimeout") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool client_first = GENERATE(true, false);
  INFO(engine << (client_first ? ", client" : ", backend") << " finishes");
  std::atomic<bool> ended = false;
  TcpBackend backend([&](Socket& socket) {
    if (!client_first) socket.finish();
    if (client_first) {
      socket.expect_fin();
      // Not silent yet: what still moves the other way keeps it.
      for (int i = 0; i < 6; ++i) {
        socket.send("x");
        std::this_thread::sleep_for(milliseconds(300));
      }
      // Only a write can tell that the other end has gone, its FIN has come before.
      while (!ended) std::this_thread::sleep_for(milliseconds(5));
    } else {
      socket.recv_to_end([](std::span<const std::byte>) {});
    }
  });
  Balancer balancer(engine, {backend.address()},
                    {.listener = R"(timeout.tcp.halfCloseTimeout = "1s")"});
  Socket client = balancer.connect();
  if (client_first) {
    client.finish();
    CHECK_NOTHROW(client.recv_exactly(6));
  } else {
    client.expect_fin();
  }
  const auto start = steady_clock::now();
  CHECK_NOTHROW(balancer.process().wait_records(1));
  CHECK(since(start) > milliseconds(500));
  CHECK(since(start) < patience(milliseconds(2500)));
  check_close(balancer, "half_close_timeout");
  if (client_first) {
    CHECK(client.recv_to_end([](std::span<const std::byte>) {}) != Socket::End::kNone);
  }
  ended = true;
  CHECK_NOTHROW(backend.wait_finished(1));
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("a slow reader of what is left is neither idle nor half-closed in silence") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool client_finishes = GENERATE(true, false);
  INFO(engine << (client_finishes ? ", client finished" : ""));
  constexpr uint64_t kSizeBytes = 1 << 20;
  // All of it fits into the kernel's buffers, so the balancer has nothing left to do but to wait.
  TcpBackend backend([&](Socket& socket) {
    socket.recv_exactly(1);
    ByteStream stream(1);
    socket.send_stream(stream, kSizeBytes);
    if (client_finishes) socket.expect_fin();
  });
  Balancer balancer(
      engine, {backend.address()},
      {.listener = R"(timeout.tcp = { idleTimeout = "1s", halfCloseTimeout = "1s" })"});
  Socket client = balancer.connect({.receive_buffer_bytes = 16 * 1024});
  client.send("s");
  if (client_finishes) client.finish();
  ByteStream stream(1);
  const auto start = steady_clock::now();
  for (uint64_t received = 0; received < kSizeBytes; received += kSizeBytes / 16) {
    REQUIRE_NOTHROW(client.recv_stream(stream, kSizeBytes / 16));
    std::this_thread::sleep_for(milliseconds(250));
  }
  CHECK(since(start) > milliseconds(3000));
  CHECK_NOTHROW(client.expect_fin());
  client.close();
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("halfCloseTimeout 0s closes both sides once the rest is flushed") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool download = GENERATE(true, false);
  INFO(engine << (download ? ", download" : ", upload"));
  constexpr uint64_t kSizeBytes = 5 << 20;
  TcpBackend backend([&](Socket& socket) {
    ByteStream stream(1);
    if (download) {
      socket.send_stream(stream, kSizeBytes);
      socket.finish();
      socket.expect_fin();
    } else {
      std::this_thread::sleep_for(milliseconds(300));
      socket.recv_stream(stream, kSizeBytes);
      socket.expect_fin();
      hold(socket);
    }
  });
  Balancer balancer(engine, {backend.address()},
                    {.listener = R"(timeout.tcp.halfCloseTimeout = "0s")"});
  Socket client = balancer.connect();
  ByteStream stream(1);
  if (download) {
    std::this_thread::sleep_for(milliseconds(300));
    CHECK_NOTHROW(client.recv_stream(stream, kSizeBytes));
  } else {
    client.send_stream(stream, kSizeBytes);
    client.finish();
  }
  CHECK_NOTHROW(client.expect_fin());
  // The client keeps its end open: the balancer does not wait for it.
  CHECK_NOTHROW(balancer.process().wait_records(1));
  check_close(balancer, download ? "server_fin" : "client_fin");
  CHECK_NOTHROW(balancer.process().wait_quiet());
  client.close();
  CHECK_NOTHROW(backend.wait_finished(1));
  CHECK_NOTHROW(balancer.process().stop());
}

}  // namespace lb::test
