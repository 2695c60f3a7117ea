// Sockets over loopback: who gets to listen, what is set on them, and how they end.
#include "lb/net/socket.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "test/support/catch.h"
#include "test/support/eventually.h"
#include "test/support/port_allocator.h"
#include "test/support/socket.h"
#include "test/support/temp_dir.h"

namespace lb::net {
namespace {

using std::chrono::milliseconds;
using test::ip_address;
using test::Socket;
using test::unix_address;

UniqueFd must_listen(const Address& address, const ListenOptions& options = {}) {
  UniqueFd fd;
  REQUIRE(listen_stream(address, options, &fd) == 0);
  REQUIRE(fd.is_open());
  return fd;
}

int try_listen(const Address& address, const ListenOptions& options = {}) {
  UniqueFd fd;
  const int result = listen_stream(address, options, &fd);
  CHECK(fd.is_open() == (result == 0));
  return result;
}

// The next connection of a listener's queue, which must not be empty.
Socket accept_from(const UniqueFd& listener) {
  pollfd query = {listener.get(), POLLIN, 0};
  REQUIRE(::poll(&query, 1, 5000) == 1);
  UniqueFd fd(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  REQUIRE(fd.is_open());
  return Socket(std::move(fd));
}

int option_of(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  REQUIRE(getsockopt(fd, level, name, &value, &size) == 0);
  return value;
}

bool is_non_blocking(int fd) { return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0; }
bool is_close_on_exec(int fd) { return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0; }

bool can_connect(const Address& address) {
  int error = 0;
  return Socket::try_connect(address, {}, error).is_open();
}

// A connected pair over TCP.
struct Pair {
  explicit Pair(int receive_buffer_bytes = 0) {
    const UniqueFd listener = must_listen(ip_address("127.0.0.1", test::allocate_port()));
    far = Socket::connect(local_address(listener.get()),
                          {.receive_buffer_bytes = receive_buffer_bytes});
    near = accept_from(listener);
  }
  Socket near;
  Socket far;
};

}  // namespace

TEST_CASE("socket: a listener is non-blocking and its connections have TCP_NODELAY already") {
  const Address address = ip_address("127.0.0.1", test::allocate_port());
  const UniqueFd listener = must_listen(address);
  CHECK(is_non_blocking(listener.get()));
  CHECK(is_close_on_exec(listener.get()));
  CHECK(local_address(listener.get()) == address);
  const Socket client = Socket::connect(address);
  const UniqueFd accepted(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
  REQUIRE(accepted.is_open());
  CHECK(option_of(accepted.get(), IPPROTO_TCP, TCP_NODELAY) == 1);
  CHECK(peer_address(accepted.get()) == client.local_address());
  CHECK(local_address(accepted.get()) == address);
}

TEST_CASE("socket: the IPv6 wildcard takes IPv4 too, the IPv4 wildcard only IPv4") {
  const uint16_t port = test::allocate_port();
  {
    const UniqueFd both = must_listen(ip_address("::", port));
    CHECK(can_connect(ip_address("::1", port)));
    const Socket client = Socket::connect(ip_address("127.0.0.1", port));
    accept_from(both);
    // The IPv4 client is seen as such.
    CHECK(accept_from(both).peer_address() == client.local_address());
  }
  const UniqueFd four = must_listen(ip_address("0.0.0.0", port));
  CHECK(can_connect(ip_address("127.0.0.1", port)));
  CHECK_FALSE(can_connect(ip_address("::1", port)));
}

TEST_CASE("socket: one IPv6 address and one IPv4 address share a port") {
  const uint16_t port = test::allocate_port();
  ListenOptions alone;
  alone.reuse_port = false;
  const UniqueFd six = must_listen(ip_address("::1", port), alone);
  const UniqueFd four = must_listen(ip_address("127.0.0.1", port), alone);
  CHECK(can_connect(ip_address("::1", port)));
  CHECK(can_connect(ip_address("127.0.0.1", port)));
}

TEST_CASE("socket: reuse_port lets every worker listen, and nobody without it") {
  const Address address = ip_address("127.0.0.1", test::allocate_port());
  ListenOptions alone;
  alone.reuse_port = false;
  {
    const UniqueFd one = must_listen(address);
    const UniqueFd two = must_listen(address);
    CHECK(try_listen(address, alone) == -EADDRINUSE);
  }
  const UniqueFd only = must_listen(address, alone);
  CHECK(try_listen(address) == -EADDRINUSE);
}

TEST_CASE("socket: an address that was just in use can be listened on again at once") {
  const Address address = ip_address("127.0.0.1", test::allocate_port());
  {
    const UniqueFd listener = must_listen(address);
    Socket client = Socket::connect(address);
    Socket server = accept_from(listener);
    server.close();  // the side that closes first is left in TIME_WAIT
    client.expect_fin();
  }
  CHECK(try_listen(address) == 0);
  CHECK(probe_listen_address(address) == 0);
}

TEST_CASE("socket: faults of listening are the kernel's") {
  // 192.0.2.0/24 is for documentation (RFC 5737): no host has it.
  CHECK(try_listen(ip_address("192.0.2.1", 1)) == -EADDRNOTAVAIL);
  CHECK(try_listen(unix_address("/no/such/directory/a.sock")) == -ENOENT);
  CHECK(try_listen(Address()) < 0);
}

TEST_CASE("socket: a unix socket file that nobody listens on is replaced, anything else is not") {
  const test::TempDir directory;
  const std::string path = directory.path("a.sock");
  const Address address = unix_address(path);
  {
    const UniqueFd listener = must_listen(address);
    CHECK(can_connect(address));
    // It is in use.
    CHECK(try_listen(address) == -EADDRINUSE);
    CHECK(can_connect(address));
  }
  CHECK(access(path.c_str(), F_OK) == 0);  // closing leaves the file
  CHECK_FALSE(can_connect(address));
  {
    const UniqueFd again = must_listen(address);
    CHECK(can_connect(address));
  }
  REQUIRE(unlink(path.c_str()) == 0);
  std::ofstream(path) << "precious";
  CHECK(try_listen(address) == -EADDRINUSE);
  std::string content;
  std::ifstream(path) >> content;
  CHECK(content == "precious");
}

TEST_CASE("socket: a name in the abstract space is free again once its listener is closed") {
  const Address address = unix_address("@sluice-socket-test-" + std::to_string(getpid()));
  {
    const UniqueFd listener = must_listen(address);
    CHECK(try_listen(address) == -EADDRINUSE);
    CHECK(can_connect(address));
    CHECK(local_address(listener.get()) == address);
  }
  CHECK(try_listen(address) == 0);
}

TEST_CASE("socket: the probe sees a listener that shares its port, and takes nothing itself") {
  const uint16_t port = test::allocate_port();
  const Address address = ip_address("127.0.0.1", port);
  CHECK(probe_listen_address(address) == 0);
  CHECK_FALSE(can_connect(address));
  const UniqueFd listener = must_listen(address);
  CHECK(probe_listen_address(address) == -EADDRINUSE);
  CHECK(probe_listen_address(ip_address("0.0.0.0", port)) == -EADDRINUSE);
  CHECK(probe_listen_address(ip_address("::", port)) == -EADDRINUSE);
  CHECK(probe_listen_address(ip_address("::1", port)) == 0);
  CHECK(probe_listen_address(ip_address("127.0.0.1", test::allocate_port())) == 0);
  CHECK(can_connect(address));
}

TEST_CASE("socket: the probe of a unix path leaves the file system as it was") {
  const test::TempDir directory;
  const std::string path = directory.path("a.sock");
  const Address address = unix_address(path);
  CHECK(probe_listen_address(address) == 0);
  CHECK(access(path.c_str(), F_OK) != 0);
  {
    const UniqueFd listener = must_listen(address);
    CHECK(probe_listen_address(address) == -EADDRINUSE);
  }
  // Nobody listens any more, but the file is still there.
  CHECK(probe_listen_address(address) == 0);
}

TEST_CASE("socket: after stop_new_handshakes what is queued is served and new clients wait") {
  const char* const ip = GENERATE("127.0.0.1", "::1", "::");
  CAPTURE(ip);
  const uint16_t port = test::allocate_port();
  const Address address = ip_address(ip, port);
  const Address dialled = ip_address(std::string_view(ip) == "::" ? "127.0.0.1" : ip, port);
  UniqueFd listener = must_listen(address);
  std::vector<Socket> queued;
  for (int i = 0; i < 5; ++i) {
    queued.push_back(Socket::connect(dialled));
    queued.back().send("before");
  }
  REQUIRE(stop_new_handshakes(listener.get()) == 0);
  int error = 0;
  CHECK_FALSE(Socket::try_connect(dialled,
                                  {.receive_buffer_bytes = 0, .patience = milliseconds(100)}, error)
                  .is_open());
  CHECK(error == ETIMEDOUT);
  // Clients in the queue see an established connection: both ways, and its end.
  for (Socket& client : queued) {
    Socket server = accept_from(listener);
    server.send("hello");
    CHECK(client.recv_exactly(5) == "hello");
    client.send("after");
    CHECK(server.recv_exactly(11) == "beforeafter");
    client.finish();
    server.expect_fin();
    server.finish();
    client.expect_fin();
  }
}

TEST_CASE("socket: a client turned away by stop_new_handshakes meets the successor") {
  const Address address = ip_address("127.0.0.1", test::allocate_port());
  UniqueFd listener = must_listen(address);
  REQUIRE(stop_new_handshakes(listener.get()) == 0);
  const UniqueFd client(open_stream_socket(AF_INET));
  CHECK(connect(client.get(), address.data(), address.size_bytes()) == -1);
  REQUIRE(errno == EINPROGRESS);
  pollfd query = {client.get(), POLLOUT, 0};
  CHECK(::poll(&query, 1, 100) == 0);
  listener.reset();
  const UniqueFd successor = must_listen(address);
  // It tries again a second after its first SYN (RFC 6298).
  REQUIRE(::poll(&query, 1, 5000) == 1);
  CHECK(option_of(client.get(), SOL_SOCKET, SO_ERROR) == 0);
  CHECK(accept_from(successor).is_open());
}

TEST_CASE("socket: arm_reset makes close send RST") {
  Pair pair;
  CHECK(arm_reset(pair.near.fd()) == 0);
  pair.near.close();
  pair.far.expect_reset();
  CHECK(arm_reset(-1) == -EBADF);
}

TEST_CASE("socket: unacked_bytes counts what the peer's kernel does not have") {
  // Smaller than a segment of loopback, a window opens by probes of the sender's timer.
  Pair pair(256 * 1024);
  CHECK(unacked_bytes(pair.near.fd()) == 0);
  const std::vector<std::byte> bytes(64 * 1024);
  size_t sent = 0;
  while (const size_t count = pair.near.send_now(bytes)) sent += count;
  const int64_t unacked = unacked_bytes(pair.near.fd());
  CHECK(unacked > 0);
  CHECK(static_cast<size_t>(unacked) <= sent);
  std::thread reader([&] { pair.far.recv_exactly(sent); });
  CHECK(test::eventually([&] { return unacked_bytes(pair.near.fd()) == 0; }));
  reader.join();
  CHECK(unacked_bytes(-1) == -EBADF);
}

TEST_CASE("socket: tcp_state counts both directions since the beginning") {
  Pair pair;
  pair.near.send(std::string(1000, 'x'));
  pair.far.recv_exactly(1000);
  pair.far.send(std::string(300, 'y'));
  pair.near.recv_exactly(300);
  CHECK(test::eventually([&] { return tcp_state(pair.near.fd()).acked_bytes >= 1000; }));
  const TcpState near = tcp_state(pair.near.fd());
  // The handshake's SYN counts for one (RFC 4898, tcpEStatsAppHCThruOctetsAcked).
  CHECK(near.acked_bytes <= 1001);
  CHECK(near.received_bytes == 300);
  CHECK(near.rtt_us > 0);
}

TEST_CASE("socket: tcp_state and the addresses of other descriptors are empty") {
  std::array<int, 2> ends = {};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const UniqueFd one(ends[0]);
  const UniqueFd two(ends[1]);
  const TcpState state = tcp_state(one.get());
  CHECK(state.acked_bytes == 0);
  CHECK(state.received_bytes == 0);
  CHECK(state.rtt_us == 0);
  CHECK(peer_address(one.get()).to_string().empty());
  CHECK(local_address(-1) == Address());
  CHECK(peer_address(-1) == Address());
}

TEST_CASE("socket: open_stream_socket sets what the data path relies on") {
  for (const int family : {AF_INET, AF_INET6, AF_UNIX}) {
    const UniqueFd fd(open_stream_socket(family));
    REQUIRE(fd.is_open());
    CHECK(is_non_blocking(fd.get()));
    CHECK(is_close_on_exec(fd.get()));
    if (family != AF_UNIX) CHECK(option_of(fd.get(), IPPROTO_TCP, TCP_NODELAY) == 1);
  }
  CHECK(open_stream_socket(AF_UNSPEC) < 0);
}

TEST_CASE("socket: UniqueFd closes once, and what it gave away never") {
  std::array<int, 2> ends = {};
  REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
  UniqueFd one(ends[0]);
  UniqueFd moved(std::move(one));
  CHECK_FALSE(one.is_open());  // NOLINT(bugprone-use-after-move): the point of the test
  CHECK(moved.get() == ends[0]);
  {
    UniqueFd given(ends[1]);
    CHECK(given.release() == ends[1]);
  }
  CHECK(fcntl(ends[1], F_GETFD) >= 0);
  moved.reset(ends[1]);
  CHECK(fcntl(ends[0], F_GETFD) == -1);
  moved.reset();
  CHECK(fcntl(ends[1], F_GETFD) == -1);
}

TEST_CASE("socket: a connection comes from the address that is asked for") {
  const char* const ip = GENERATE("127.0.0.7", "::1");
  const std::string here = std::string(ip) == "::1" ? "::1" : "127.0.0.1";
  const UniqueFd listener = must_listen(ip_address(here, test::allocate_port()));
  const Address target = local_address(listener.get());
  const UniqueFd fd(open_stream_socket(target.family()));
  REQUIRE(set_stream_source(fd.get(), {.address = ip_address(ip, 0)}) == 0);
  // No port yet: the kernel looks for one that is free towards this destination.
  CHECK(local_address(fd.get()) == ip_address(ip, 0));
  ::connect(fd.get(), target.data(), target.size_bytes());
  const Socket accepted = accept_from(listener);
  CHECK(accepted.peer_address().host_string() == ip);
  CHECK(accepted.peer_address() == local_address(fd.get()));
}

TEST_CASE("socket: a source that cannot be had is told apart") {
  const UniqueFd fd(open_stream_socket(AF_INET));
  CHECK(set_stream_source(fd.get(), {.address = ip_address("192.0.2.77", 0)}) == -EADDRNOTAVAIL);
  CHECK(set_stream_source(fd.get(), {.interface = "nosuchinterface"}) == -ENODEV);
  const UniqueFd taken = must_listen(ip_address("127.0.0.1", test::allocate_port()));
  CHECK(set_stream_source(fd.get(), {.address = local_address(taken.get())}) == -EADDRINUSE);
  // And the next one may still be had.
  CHECK(set_stream_source(fd.get(), {.address = ip_address("127.0.0.9", 0), .interface = "lo"}) ==
        0);
  CHECK(local_address(fd.get()) == ip_address("127.0.0.9", 0));
  char interface[IF_NAMESIZE] = {};
  socklen_t size_bytes = sizeof(interface);
  REQUIRE(getsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, interface, &size_bytes) == 0);
  CHECK(std::string(interface) == "lo");
}

TEST_CASE("socket: a transparent source may be somebody else's address") {
  const char* const ip = GENERATE("192.0.2.77", "2001:db8::77");
  const Address address = ip_address(ip, 4711);
  const UniqueFd fd(open_stream_socket(address.family()));
  const int error = set_stream_source(fd.get(), {.address = address, .is_transparent = true});
  if (error == -EPERM) return;  // no CAP_NET_ADMIN here, and that is told
  REQUIRE(error == 0);
  CHECK(local_address(fd.get()) == address);
  // One port of a client's may be the source of several connections.
  const UniqueFd second(open_stream_socket(address.family()));
  CHECK(set_stream_source(second.get(), {.address = address, .is_transparent = true}) == 0);
}

}  // namespace lb::net
