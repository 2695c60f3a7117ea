// The tools of the black-box tests, without the balancer: what fails here is the test's fault.
#include <signal.h>

#include <array>
#include <cerrno>

#include "test/blackbox/relay_scripts.h"
#include "test/support/access_record.h"
#include "test/support/blackhole.h"
#include "test/support/catch.h"
#include "test/support/child_process.h"
#include "test/support/failure.h"
#include "test/support/network_namespace.h"
#include "test/support/port_allocator.h"
#include "test/support/process_stats.h"
#include "test/support/tcp_backend.h"

namespace lb::test {

TEST_CASE("every relay script passes over a direct connection") {
  for (const RelayScript& script : relay_scripts()) {
    INFO(script.name);
    TcpBackend backend(script.backend);
    Socket client = Socket::connect(backend.address());
    REQUIRE_NOTHROW(script.client(client));
    client.close();
    REQUIRE_NOTHROW(backend.wait_finished(1));
  }
}

TEST_CASE("a script tells FIN, RST, wrong bytes and silence apart") {
  TcpBackend fin([](Socket& socket) { socket.finish(); });
  Socket client = Socket::connect(fin.address());
  CHECK_THROWS_AS(client.expect_reset(), Failure);

  // Not before the client knows that it is connected.
  TcpBackend reset([](Socket& socket) {
    socket.recv_exactly(1);
    socket.reset();
  });
  client = Socket::connect(reset.address());
  client.send("x");
  CHECK_NOTHROW(client.expect_reset());
  client = Socket::connect(reset.address());
  client.send("x");
  CHECK_THROWS_AS(client.expect_fin(), Failure);

  TcpBackend bytes([](Socket& socket) { socket.send("abc"); });
  client = Socket::connect(bytes.address());
  ByteStream stream(1);
  CHECK_THROWS_AS(client.recv_stream(stream, 3), Failure);
  client = Socket::connect(bytes.address());
  CHECK_THROWS_AS(client.expect_silence(std::chrono::seconds(5)), Failure);

  TcpBackend silent(hold);
  client = Socket::connect(silent.address());
  CHECK_NOTHROW(client.expect_silence(std::chrono::milliseconds(50)));
}

TEST_CASE("a failure in a backend's script reaches the test") {
  TcpBackend backend([](Socket&) { throw Failure("on purpose"); });
  const Socket client = Socket::connect(backend.address());
  CHECK_THROWS_WITH(backend.wait_finished(1), Catch::Contains("on purpose"));
}

TEST_CASE("a byte stream is the same however it is cut, and shows a wrong byte") {
  std::array<std::byte, 1000> whole;
  ByteStream(7).fill(whole);
  ByteStream pieces(7);
  const auto text = std::span(whole);
  CHECK(pieces.matches(text.first(1)));
  CHECK(pieces.matches(text.subspan(1, 500)));
  whole[700] ^= std::byte{1};
  CHECK_FALSE(pieces.matches(text.subspan(501)));
  CHECK(pieces.offset() == 700);
}

TEST_CASE("a digest is SHA-256") {
  Digest digest;
  digest.add(std::as_bytes(std::span("abc", 3)));
  CHECK(digest.finish() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("a blackhole answers nothing, a free port refuses") {
  const Blackhole blackhole;
  int error = 0;
  Socket::try_connect(blackhole.address(), {.patience = std::chrono::milliseconds(200)}, error);
  CHECK(error == ETIMEDOUT);
  Socket::try_connect(ip_address("127.0.0.1", allocate_port()), {}, error);
  CHECK(error == ECONNREFUSED);
}

TEST_CASE("an access record is told from other lines and taken apart") {
  CHECK_FALSE(AccessRecord::parse("level=info msg=ready").has_value());
  CHECK_FALSE(AccessRecord::parse("not logfmt close=x bytes_in=1").has_value());
  const auto record =
      AccessRecord::parse(R"(msg=conn id=7 note="a \"b\" c" bytes_in=10 close=client_reset@data)");
  REQUIRE(record.has_value());
  CHECK(record->number("bytes_in") == 10);
  CHECK(record->text("note") == "a \"b\" c");
  CHECK(record->close_word() == "client_reset");
  CHECK(record->close_place() == "data");
  CHECK_THROWS_AS(record->text("missing"), Failure);
}

TEST_CASE("a child process is seen, waited for and killed") {
  const CommandResult result =
      run_command({.argv = {"sh", "-c", "echo out; echo err >&2; exit 3"}});
  CHECK(result.code == 3);
  CHECK(result.out == "out\n");
  CHECK(result.err == "err\n");

  ChildProcess child({.argv = {"sleep", "100"}});
  CHECK(child.running());
  CHECK(open_fd_count(child.pid()) >= 3);
  CHECK(cpu_time(child.pid()) < std::chrono::seconds(1));
  CHECK(private_dirty_bytes(child.pid()) > 0);
  child.send_signal(SIGKILL);
  CHECK(child.wait_code() == 128 + SIGKILL);
}

TEST_CASE("a network namespace has ports of its own and gives the old ones back") {
  const uint16_t port = allocate_port();
  const TcpBackend outside(hold, ip_address("127.0.0.1", port));
  {
    const auto space = NetworkNamespace::enter();
    if (space == nullptr) return;
    const TcpBackend inside(hold, ip_address("127.0.0.1", port));
    const Socket client = Socket::connect(inside.address());
    CHECK(outside.accepted() == 0);
  }
  const Socket client = Socket::connect(outside.address());
  CHECK(client.is_open());
}

}  // namespace lb::test
