// Bytes go through unchanged, in both directions, with the ends of both directions.
#include <unistd.h>

#include <thread>

#include "test/blackbox/relay_scripts.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/port_allocator.h"
#include "test/support/process_stats.h"
#include "test/support/scale.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

// All scripts through one process, one connection after the other.
void run_scripts(const std::string& engine, const net::Address& backend_address,
                 const BalancerOptions& options, const char* client_ip = "127.0.0.1") {
  Balancer balancer(engine, {backend_address}, options);
  for (const RelayScript& script : relay_scripts()) {
    INFO(engine << ": " << script.name);
    TcpBackend backend(script.backend, backend_address);
    Socket client = Socket::connect(ip_address(client_ip, balancer.address().port()));
    REQUIRE_NOTHROW(script.client(client));
    client.close();
    REQUIRE_NOTHROW(backend.wait_finished(1));
    if (backend_address.is_unix()) ::unlink(backend_address.to_string().c_str());
  }
  REQUIRE_NOTHROW(balancer.process().stop());
}

}  // namespace

TEST_CASE("every relay script passes through the balancer") {
  const auto engine = SLUICE_EACH_ENGINE();
  run_scripts(engine, ip_address("127.0.0.1", allocate_port()), {});
}

TEST_CASE("every relay script passes over IPv6") {
  const auto engine = SLUICE_EACH_ENGINE();
  run_scripts(engine, ip_address("::1", allocate_port()), {}, "::1");
}

TEST_CASE("every relay script passes with the smallest buffer") {
  const auto engine = SLUICE_EACH_ENGINE();
  run_scripts(engine, ip_address("127.0.0.1", allocate_port()),
              {.listener = R"(connection.bufferLimit = "4Ki")"});
}

TEST_CASE("every relay script passes spliced from the first byte, and never spliced") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto mode = GENERATE(as<std::string>(), "always", "off");
  run_scripts(engine, ip_address("127.0.0.1", allocate_port()),
              {.runtime = "splice = \"" + mode + "\""});
}

TEST_CASE("every relay script passes spliced to a unix socket") {
  const auto engine = SLUICE_EACH_ENGINE();
  const TempDir dir;
  run_scripts(engine, unix_address(dir.path("backend.sock")), {.runtime = "splice = \"always\""});
}

TEST_CASE("every relay script passes to a unix socket") {
  const auto engine = SLUICE_EACH_ENGINE();
  const TempDir dir;
  run_scripts(engine, unix_address(dir.path("backend.sock")), {});
}

TEST_CASE("a unix socket in the abstract space is an endpoint") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo, unix_address("@sluice-test-" + std::to_string(getpid()) + engine));
  Balancer balancer(engine, {backend.address()});
  Socket client = balancer.connect_echo();
  client.finish();
  client.expect_fin();
  client.close();
  REQUIRE_NOTHROW(backend.wait_finished(1));
  balancer.process().stop();
}

TEST_CASE("many connections at once do not mix") {
  const auto engine = SLUICE_EACH_ENGINE();
  raise_open_file_limit();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()});
  const uint64_t count = scaled(300, 50);
  std::vector<Socket> clients;
  for (uint64_t i = 0; i < count; ++i) clients.push_back(balancer.connect());
  for (int round = 0; round < 5; ++round) {
    for (uint64_t i = 0; i < count; ++i) {
      ByteStream stream(i);
      clients[i].send_stream(stream, 1000);
    }
    for (uint64_t i = 0; i < count; ++i) {
      ByteStream stream(i);
      REQUIRE_NOTHROW(clients[i].recv_stream(stream, 1000));
    }
  }
  clients.clear();
  REQUIRE_NOTHROW(backend.wait_finished(static_cast<int>(count)));
  balancer.process().stop();
}

TEST_CASE("a slow reader slows its own sender and nobody else") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend([](Socket& socket) {
    if (socket.recv_exactly(1) == "e") {
      echo(socket);
      return;
    }
    ByteStream stream(1);
    socket.send_stream(stream, UINT64_MAX);
  });
  Balancer balancer(engine, {backend.address()}, {.runtime = "workers = 1"});
  std::vector<Socket> stuck;
  for (uint64_t i = 0; i < scaled(100, 20); ++i) {
    stuck.push_back(balancer.connect());
    stuck.back().send("s");
  }
  Socket client = balancer.connect();
  client.send("e");
  ByteStream out(3);
  ByteStream back(3);
  const uint64_t size_bytes = scaled(64 << 20, 4 << 20);
  std::thread sender([&] {
    client.send_stream(out, size_bytes);
    client.finish();
  });
  CHECK_NOTHROW(client.recv_stream(back, size_bytes));
  sender.join();
  CHECK_NOTHROW(client.expect_fin());
  for (Socket& slow : stuck) {
    ByteStream stream(1);
    REQUIRE_NOTHROW(slow.recv_stream(stream, 100'000));
    slow.reset();
  }
  balancer.process().stop();
}

}  // namespace lb::test
