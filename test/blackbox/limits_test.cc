// Bounds: connections, descriptors, memory, and what idle connections cost.
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/process_stats.h"
#include "test/support/scale.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

using std::chrono::milliseconds;

enum class Answer { kServed, kRefused, kWaiting };

// What the balancer has said to a client that has sent one byte to an echo.
Answer answer(Socket& client, milliseconds patience) {
  bool echoed = false;
  const Socket::End end = [&] {
    std::array<std::byte, 1> byte;
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
      const ssize_t count = ::recv(client.fd(), byte.data(), byte.size(), 0);
      if (count > 0) {
        echoed = true;
        return Socket::End::kNone;
      }
      if (count == 0) return Socket::End::kFIN;
      if (errno != EAGAIN) return Socket::End::kRST;
      if (std::chrono::steady_clock::now() >= deadline) return Socket::End::kNone;
      std::this_thread::sleep_for(milliseconds(1));
    }
  }();
  if (end == Socket::End::kFIN) throw Failure("a FIN instead of service or refusal");
  if (end == Socket::End::kRST) return Answer::kRefused;
  return echoed ? Answer::kServed : Answer::kWaiting;
}

// Clients that have each sent one byte. One whose handshake is refused is left out and counted.
struct Crowd {
  Crowd(const net::Address& address, int count) {
    for (int i = 0; i < count; ++i) {
      int error = 0;
      Socket client = Socket::try_connect(address, {}, error);
      if (error == 0 && ::send(client.fd(), "x", 1, MSG_NOSIGNAL) == 1) {
        clients.push_back(std::move(client));
      } else {
        ++refused;
      }
    }
  }

  // Sorts out who has an answer by now: the refused are counted and gone.
  void sort_out() {
    std::vector<Socket> waiting;
    for (Socket& client : clients) {
      switch (answer(client, milliseconds(0))) {
        case Answer::kServed:
          served.push_back(std::move(client));
          break;
        case Answer::kRefused:
          ++refused;
          break;
        case Answer::kWaiting:
          waiting.push_back(std::move(client));
          break;
      }
    }
    clients = std::move(waiting);
  }

  std::vector<Socket> clients;  // without an answer
  std::vector<Socket> served;
  int refused = 0;
};

// Of the process `pid`; 0 = this one.
void limit_open_files(pid_t pid, rlim_t count) {
  const rlimit limit = {count, count};
  ::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr);
}

// Memory is counted as far as it is touched, and meson has malloc touch all that it hands out.
SluiceOptions with_plain_malloc() { return {.environment = {{"MALLOC_PERTURB_", "0"}}}; }

SluiceOptions with_open_files(rlim_t count) {
  return {.before_exec = [=] { limit_open_files(0, count); }};
}

}  // namespace

TEST_CASE("more than maxConnections are refused, and a place is free again when one ends") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()}, {.runtime = "maxConnections = 10"});
  std::vector<Socket> held;
  for (int i = 0; i < 10; ++i) held.push_back(balancer.connect_echo());
  for (int i = 0; i < 20; ++i) REQUIRE_NOTHROW(expect_refused(balancer.address()));
  const auto records = balancer.process().wait_records(20);
  for (const AccessRecord& record : records) {
    INFO(record.line());
    REQUIRE(record.text("close") == "limit_process@accept");
  }
  // Every way to end gives the place back.
  held[0].close();
  held[1].reset();
  held[2].finish();
  CHECK_NOTHROW(held[2].expect_fin());
  balancer.process().wait_records(23);
  for (int i = 0; i < 3; ++i) {
    held.push_back(balancer.connect());
    CHECK_NOTHROW(expect_echo(held.back(), "a free place"));
  }
  CHECK_NOTHROW(expect_refused(balancer.address()));
  held.clear();
  balancer.process().stop();
}

TEST_CASE("out of descriptors: accepting pauses without burning CPU or log, and goes on after") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto variant = GENERATE(as<std::string>(), "few from the start",
                                "more wanted than there are", "taken away while it runs");
  INFO(engine << ", " << variant);
  TcpBackend backend(echo);
  BalancerOptions options;
  if (variant == "more wanted than there are") options.runtime = "maxConnections = 5000";
  const bool late = variant == "taken away while it runs";
  if (!late) options.process = with_open_files(256);
  Balancer balancer(engine, {backend.address()}, options);
  const pid_t pid = balancer.process().pid();
  if (late) {
    // UBSan needs a descriptor, too, the first time it asks for an object's type.
    REQUIRE(served(balancer.address()));
    limit_open_files(pid, 256);  // not known to the process: accept itself runs out
  }
  // A multishot accept goes by the limit of when it was armed, and may take most of what is left,
  // or none of it.
  const size_t least = late ? 1 : 50;
  const size_t most = late ? 256 : 128;

  Crowd crowd(balancer.address(), 1000);
  const bool enough = eventually([&] {
    crowd.sort_out();
    return crowd.served.size() >= least;
  });
  std::this_thread::sleep_for(milliseconds(1000));
  crowd.sort_out();
  INFO(crowd.served.size() << " served, " << crowd.refused << " refused, " << crowd.clients.size()
                           << " waiting");
  REQUIRE(enough);
  CHECK(crowd.served.size() < most);
  const auto other_lines = [&] {
    return balancer.process().log().lines().size() - balancer.process().records().size();
  };
  const milliseconds cpu_before = cpu_time(pid);
  const size_t lines_before = other_lines();
  std::this_thread::sleep_for(milliseconds(2000));
  // Five percent, and what a sanitizer adds.
  CHECK(cpu_time(pid) - cpu_before <= patience(milliseconds(100)));
  CHECK(other_lines() - lines_before <= 4);
  // Who has been accepted already when the last descriptor goes is refused; the others wait.
  CHECK((balancer.process().log().count("accept paused") >= 1 || (late && crowd.refused > 0)));
  for (Socket& client : crowd.served) REQUIRE_NOTHROW(expect_echo(client, "still here"));

  // Whoever waits is served as soon as others leave; nobody stays half-accepted.
  while (!crowd.clients.empty()) {
    const size_t waiting = crowd.clients.size();
    crowd.served.clear();
    REQUIRE(eventually(
        [&] {
          crowd.sort_out();
          return crowd.clients.size() < waiting;
        },
        milliseconds(3000)));
  }
  crowd.served.clear();
  CHECK_NOTHROW(balancer.process().wait_quiet());
  CHECK(served(balancer.address()));
  balancer.process().stop();
}

TEST_CASE("a client that never reads holds no more than bufferLimit in each direction") {
  const auto engine = SLUICE_EACH_ENGINE();
  const uint64_t limit_bytes = GENERATE(as<uint64_t>(), 16 * 1024, 128 * 1024);
  INFO(engine << ", " << limit_bytes << " bytes");
  raise_open_file_limit();
  TcpBackend backend([](Socket& socket) {
    ByteStream stream(1);
    socket.send_stream(stream, UINT64_MAX);
  });
  Balancer balancer(
      engine, {backend.address()},
      {.listener = "connection.bufferLimit = \"" + std::to_string(limit_bytes / 1024) + "Ki\"",
       .runtime = "workers = 1"});
  const auto fill = [&](uint64_t count) {
    std::vector<Socket> clients;
    for (uint64_t i = 0; i < count; ++i) {
      clients.push_back(balancer.connect({.receive_buffer_bytes = 16 * 1024}));
    }
    // Full once it has stopped growing.
    uint64_t before = 0;
    for (uint64_t now = 1; now != before;) {
      before = now;
      std::this_thread::sleep_for(milliseconds(300));
      now = private_dirty_bytes(balancer.process().pid());
    }
    return clients;
  };
  auto first = fill(20);
  const uint64_t base_bytes = private_dirty_bytes(balancer.process().pid());
  const uint64_t count = scaled(200, 20);
  auto clients = fill(count);
  const uint64_t full_bytes = private_dirty_bytes(balancer.process().pid());
  const uint64_t each_bytes = full_bytes > base_bytes ? (full_bytes - base_bytes) / count : 0;
  INFO(each_bytes << " bytes for each connection");
  // The connection itself, and pages that buffers do not fill, come on top.
  if (!is_sanitized()) CHECK(each_bytes <= 2 * limit_bytes + 8 * 1024);
  first.clear();
  clients.clear();
  balancer.process().stop();
}

TEST_CASE("2000 idle connections cost under 1150 bytes each and no CPU") {
  const auto engine = SLUICE_EACH_ENGINE();
  raise_open_file_limit();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()}, {.process = with_plain_malloc()});
  const auto open = [&](uint64_t count) {
    std::vector<Socket> clients;
    for (uint64_t i = 0; i < count; ++i) clients.push_back(balancer.connect_echo());
    return clients;
  };
  // Once buffers that are not needed any more have given their memory back.
  const auto settled_bytes = [&] {
    std::this_thread::sleep_for(milliseconds(700));
    return private_dirty_bytes(balancer.process().pid());
  };
  const auto warm = open(50);
  const uint64_t base_bytes = settled_bytes();
  const uint64_t count = scaled(2000, 100);
  auto clients = open(count);
  const uint64_t full_bytes = settled_bytes();
  const uint64_t each_bytes = full_bytes > base_bytes ? (full_bytes - base_bytes) / count : 0;
  INFO(engine << ": " << each_bytes << " bytes for each connection");
  std::printf("%s: %llu bytes for each idle connection\n", engine.c_str(),
              static_cast<unsigned long long>(each_bytes));
  if (!is_sanitized()) {
    CHECK(each_bytes > 500);  // else something else was measured
    CHECK(each_bytes < 1150);
  }
  // Each has a timer of its connect still to come, once.
  const auto rests = [&] {
    const milliseconds cpu_before = cpu_time(balancer.process().pid());
    std::this_thread::sleep_for(milliseconds(2000));
    return cpu_time(balancer.process().pid()) - cpu_before <= patience(milliseconds(20));
  };
  CHECK((rests() || rests() || rests() || rests()));
  for (Socket& client : clients) REQUIRE_NOTHROW(expect_echo(client, "x"));
}

}  // namespace lb::test
