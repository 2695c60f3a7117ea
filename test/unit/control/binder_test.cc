// The listening sockets: one a worker and address, and a failure keeps nobody else away.
#include "lb/control/binder.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lb/net/socket.h"
#include "test/support/catch.h"
#include "test/support/port_allocator.h"
#include "test/support/socket.h"

namespace lb::control {
namespace {

using Strings = std::vector<std::string>;
using test::ip_address;

// One listener for each list of addresses.
proxy::Snapshot snapshot_of(const std::vector<std::vector<net::Address>>& listeners) {
  proxy::Snapshot snapshot;
  for (const std::vector<net::Address>& addresses : listeners) {
    snapshot.listeners.emplace_back();
    snapshot.listeners.back().addresses = addresses;
  }
  return snapshot;
}

// "0 127.0.0.1:80" for each socket of a worker: its listener and where it listens.
Strings sockets_of(const std::vector<proxy::BoundListener>& bound) {
  Strings out;
  for (const proxy::BoundListener& entry : bound) {
    out.push_back(std::to_string(entry.listener) + " " +
                  net::local_address(entry.fd.get()).to_string());
  }
  return out;
}

bool can_connect(const net::Address& address) {
  int error = 0;
  return test::Socket::try_connect(address, {}, error).is_open();
}

net::UniqueFd foreign_listener(const net::Address& address, bool reuse_port) {
  net::ListenOptions options;
  options.reuse_port = reuse_port;
  net::UniqueFd fd;
  REQUIRE(net::listen_stream(address, options, &fd) == 0);
  return fd;
}

// Takes the right to bind low ports from the calling thread, until it ends.
bool drop_net_bind_service() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  data[0].effective &= ~(1U << CAP_NET_BIND_SERVICE);
  return syscall(SYS_capset, &header, data) == 0;
}

int first_unprivileged_port() {
  int port = 1024;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> port;
  return port;
}

}  // namespace

TEST_CASE("binder: a socket for each worker and address") {
  const uint16_t one = test::allocate_port();
  const uint16_t two = test::allocate_port();
  const proxy::Snapshot snapshot = snapshot_of(
      {{ip_address("127.0.0.1", one), ip_address("::1", one)}, {ip_address("127.0.0.1", two)}});
  const BoundSockets sockets = bind_listeners(snapshot, 3, {});
  CHECK(sockets.failures.empty());
  CHECK(sockets.open.size() == 3);
  REQUIRE(sockets.by_worker.size() == 3);
  for (const auto& bound : sockets.by_worker) {
    CHECK(sockets_of(bound) == Strings{"0 127.0.0.1:" + std::to_string(one),
                                       "0 [::1]:" + std::to_string(one),
                                       "1 127.0.0.1:" + std::to_string(two)});
  }
  CHECK(can_connect(ip_address("127.0.0.1", one)));
  CHECK(can_connect(ip_address("::1", one)));
  CHECK(can_connect(ip_address("127.0.0.1", two)));
}

TEST_CASE("binder: a port that somebody else has is a failure, and the others are bound") {
  // One that would share its port is not ours either: it would take half of the connections.
  const bool shares = GENERATE(false, true);
  INFO("with SO_REUSEPORT: " << shares);
  const uint16_t taken = test::allocate_port();
  const uint16_t free = test::allocate_port();
  const net::UniqueFd foreign = foreign_listener(ip_address("127.0.0.1", taken), shares);
  const proxy::Snapshot snapshot =
      snapshot_of({{ip_address("127.0.0.1", taken), ip_address("127.0.0.2", taken)},
                   {ip_address("127.0.0.1", free)}});
  const BoundSockets sockets = bind_listeners(snapshot, 2, {});
  REQUIRE(sockets.failures.size() == 1);
  CHECK(sockets.failures[0].listener == 0);
  CHECK(sockets.failures[0].address == "127.0.0.1:" + std::to_string(taken));
  CHECK(sockets.failures[0].error == EADDRINUSE);
  CHECK(sockets.open.size() == 2);
  for (const auto& bound : sockets.by_worker) {
    CHECK(sockets_of(bound) ==
          Strings{"0 127.0.0.2:" + std::to_string(taken), "1 127.0.0.1:" + std::to_string(free)});
  }
}

TEST_CASE("binder: a wildcard cannot have a port that somebody has on one address") {
  const uint16_t port = test::allocate_port();
  const net::UniqueFd foreign = foreign_listener(ip_address("127.0.0.1", port), true);
  const BoundSockets sockets =
      bind_listeners(snapshot_of({{ip_address("0.0.0.0", port)}, {ip_address("::", port)}}), 1, {});
  CHECK(sockets.open.size() == 0);
  REQUIRE(sockets.failures.size() == 2);
  CHECK(sockets.failures[1].listener == 1);
  CHECK(sockets.by_worker.at(0).empty());
}

TEST_CASE("binder: 0.0.0.0 and :: stand side by side on one port") {
  const uint16_t port = test::allocate_port();
  const bool v4_first = GENERATE(true, false);
  std::vector<net::Address> addresses = {ip_address("0.0.0.0", port), ip_address("::", port)};
  if (!v4_first) std::swap(addresses[0], addresses[1]);
  const BoundSockets sockets = bind_listeners(snapshot_of({addresses}), 2, {});
  CHECK(sockets.failures.empty());
  CHECK(sockets.open.size() == 2);
  CHECK(can_connect(ip_address("127.0.0.1", port)));
  CHECK(can_connect(ip_address("::1", port)));
}

TEST_CASE("binder: an address of another host is a failure with its reason") {
  const uint16_t port = test::allocate_port();
  const BoundSockets sockets = bind_listeners(
      snapshot_of({{ip_address("192.0.2.1", port), ip_address("127.0.0.1", port)}}), 1, {});
  REQUIRE(sockets.failures.size() == 1);
  CHECK(sockets.failures[0].address == "192.0.2.1:" + std::to_string(port));
  CHECK(sockets.failures[0].error == EADDRNOTAVAIL);
  CHECK(sockets.open.size() == 1);
}

TEST_CASE("binder: a low port without the right to it is a failure with its reason") {
  const int unprivileged = first_unprivileged_port();
  if (unprivileged <= 1) {
    std::printf("skipped: every port may be bound here\n");
    return;
  }
  const auto low = static_cast<uint16_t>(unprivileged - 1);
  const uint16_t free = test::allocate_port();
  BoundSockets sockets;
  bool dropped = false;
  std::thread thread([&] {
    dropped = drop_net_bind_service();
    sockets = bind_listeners(
        snapshot_of({{ip_address("127.0.0.1", low)}, {ip_address("127.0.0.1", free)}}), 1, {});
  });
  thread.join();
  REQUIRE(dropped);
  REQUIRE(sockets.failures.size() == 1);
  CHECK(sockets.failures[0].listener == 0);
  CHECK(sockets.failures[0].error == EACCES);
  CHECK(sockets_of(sockets.by_worker.at(0)) == Strings{"1 127.0.0.1:" + std::to_string(free)});
}

TEST_CASE("binder: what is open is never opened again, and what is new comes beside it") {
  const uint16_t port = test::allocate_port();
  const uint16_t more = test::allocate_port();
  const BoundSockets first = bind_listeners(snapshot_of({{ip_address("127.0.0.1", port)}}), 2, {});
  const BoundSockets second = bind_listeners(
      snapshot_of({{ip_address("127.0.0.1", more)}, {ip_address("127.0.0.1", port)}}), 2,
      first.open);
  CHECK(second.failures.empty());
  CHECK(second.open.size() == 2);
  for (const auto& bound : second.by_worker) {
    REQUIRE(bound.size() == 2);
    for (const proxy::BoundListener& entry : bound) {
      const bool is_new = entry.address == "127.0.0.1:" + std::to_string(more);
      CHECK(entry.listener == (is_new ? 0U : 1U));
      CHECK(entry.fd.is_open() == is_new);
    }
  }
}

TEST_CASE("binder: our own wildcard does not stand in the way of one of its addresses") {
  const uint16_t port = test::allocate_port();
  const BoundSockets first = bind_listeners(snapshot_of({{ip_address("::", port)}}), 1, {});
  const BoundSockets second =
      bind_listeners(snapshot_of({{ip_address("127.0.0.1", port)}}), 1, first.open);
  CHECK(second.failures.empty());
  REQUIRE(second.by_worker.at(0).size() == 1);
  CHECK(second.by_worker.at(0)[0].fd.is_open());
}

TEST_CASE("binder: the sockets are gone with what holds them") {
  const uint16_t port = test::allocate_port();
  { const BoundSockets sockets = bind_listeners(snapshot_of({{ip_address("::", port)}}), 2, {}); }
  CHECK(net::probe_listen_address(ip_address("::", port)) == 0);
}

}  // namespace lb::control
