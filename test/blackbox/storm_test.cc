// Many connections at one moment, and many that come and go: nothing is lost, mixed up or left.
#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "lb/util/random.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/engines.h"
#include "test/support/failure.h"
#include "test/support/process_stats.h"
#include "test/support/scale.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

constexpr size_t kTokenBytes = 80;

// Unmistakable wherever it is cut: every ten bytes say whose it is.
std::string token_of(uint64_t number) {
  std::string token;
  while (token.size() < kTokenBytes) token += fmt::format("t{:08}.", number);
  return token;
}

// What a backend got is the token of one connection or the beginning of one.
void check_token(const std::string& text) {
  if (text.size() < 10) return;
  const std::string token = token_of(std::stoull(text.substr(1, 8)));
  if (!token.starts_with(text)) throw Failure("bytes of two connections: " + text);
}

void echo_token(Socket& socket) {
  std::string text;
  const Socket::End end = socket.recv_to_end([&](std::span<const std::byte> bytes) {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    check_token(text);
    // Nothing is wrong with an answer that comes too late for its client.
    if (text.size() == kTokenBytes) ::send(socket.fd(), text.data(), text.size(), MSG_NOSIGNAL);
  });
  if (end == Socket::End::kNone) throw Failure("a connection that does not end");
}

// One way to use a connection and to leave it.
void come_and_go(const net::Address& address, uint64_t number, uint64_t kind) {
  Socket socket = Socket::connect(address);
  if (kind == 0) return socket.reset();
  const std::string token = token_of(number);
  socket.send(token);
  if (kind == 1) return socket.reset();
  if (kind == 2) return socket.close();
  const std::string back = socket.recv_exactly(kTokenBytes);
  if (back != token) throw Failure("another connection's bytes: " + back);
  if (kind == 3) return socket.reset();
  socket.finish();
  socket.expect_fin();
}

}  // namespace

TEST_CASE("clients that all come at the same moment, each with data, are all served") {
  const auto engine = SLUICE_EACH_ENGINE();
  raise_open_file_limit();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()});
  const uint64_t count = scaled(2000, 200);
  constexpr uint64_t kSizeBytes = 16 * 1024;
  // While the process is stopped the kernel completes handshakes and takes in data; then it finds
  // all of them in one turn of its loops, more than any queue or set of buffers holds.
  balancer.process().send_signal(SIGSTOP);
  std::vector<Socket> clients;
  for (uint64_t i = 0; i < count; ++i) {
    clients.push_back(balancer.connect());
    ByteStream stream(i);
    clients.back().send_stream(stream, kSizeBytes);
  }
  balancer.process().send_signal(SIGCONT);
  for (uint64_t i = 0; i < count; ++i) {
    ByteStream stream(i);
    REQUIRE_NOTHROW(clients[i].recv_stream(stream, kSizeBytes));
  }
  // And once more all at once, on connections that are there.
  for (int round = 0; round < 3; ++round) {
    balancer.process().send_signal(SIGSTOP);
    for (uint64_t i = 0; i < count; ++i) {
      ByteStream stream(i);
      clients[i].send_stream(stream, kSizeBytes);
    }
    balancer.process().send_signal(SIGCONT);
    for (uint64_t i = 0; i < count; ++i) {
      ByteStream stream(i);
      REQUIRE_NOTHROW(clients[i].recv_stream(stream, kSizeBytes));
    }
  }
  clients.clear();
  CHECK_NOTHROW(backend.wait_finished(static_cast<int>(count)));
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("connections that come and go in every way do not touch each other") {
  const auto engine = SLUICE_EACH_ENGINE();
  const uint64_t seed = test_seed();
  INFO(engine << ", SLUICE_SEED=" << seed);
  TcpBackend backend(echo_token);
  Balancer balancer(engine, {backend.address()});
  const uint64_t count = scaled(20'000, 1000);
  std::atomic<uint64_t> next = 0;
  std::atomic<uint64_t> failures = 0;
  std::string failure;
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 16; ++i) {
    threads.emplace_back([&, random = util::Random(seed + i)]() mutable {
      for (uint64_t number; (number = next++) < count;) {
        try {
          come_and_go(balancer.address(), number, random.below(6));
        } catch (const Failure& error) {
          if (failures++ == 0) failure = error.what();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  INFO(failure);
  CHECK(failures == 0);
  CHECK_NOTHROW(backend.check());
  CHECK(balancer.process().wait_records(count).size() == count);
  CHECK_NOTHROW(balancer.process().stop());
}

}  // namespace lb::test
