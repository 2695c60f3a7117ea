// Reloads that meet other reloads, signals and the end of the process.
#include <signal.h>

#include <array>
#include <atomic>
#include <thread>

#include "lb/util/random.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/churn.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/port_allocator.h"
#include "test/support/scale.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

using Catch::Contains;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Asks for a reload over the control socket and does not wait.
Socket ask_reload(const SluiceProcess& process) {
  Socket socket = Socket::connect(unix_address(process.control_socket()));
  socket.send("POST /reload HTTP/1.1\r\nHost: a\r\n\r\n");
  return socket;
}

std::string read_all(Socket& socket) {
  std::string text;
  socket.recv_to_end([&](std::span<const std::byte> bytes) {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  return text;
}

// Listeners that come and go with the number, beside one that stays.
std::string config_of(uint16_t port, const net::Address& backend, uint16_t other_port) {
  ConfigText config;
  config.listener("main", port).listener("other", other_port);
  config.service("web", {backend});
  config.route("main", {{.service = "web"}}).route("other", {{.service = "web"}});
  return config.str();
}

}  // namespace

TEST_CASE("ten SIGHUPs in ten milliseconds are one reload or two, and the last content wins") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()});
  const SluiceProcess& process = balancer.process();
  const uint16_t ports[] = {allocate_port(), allocate_port()};
  const auto start = steady_clock::now();
  for (int i = 0; i < 10; ++i) {
    // Only the last one has a listener to close, which takes a reload some time.
    process.write_config(
        config_of(balancer.address().port(), backend.address(), ports[i < 9 ? 0 : 1]));
    process.send_signal(SIGHUP);
    std::this_thread::sleep_for(milliseconds(1));
  }
  const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
  CHECK(eventually([&] { return served(ip_address("127.0.0.1", ports[1])); }));
  CHECK(served(balancer.address()));
  // One that is answered is after all the others.
  CHECK(process.command({"reload", "--wait"}).code == 0);
  INFO(took.count() << " ms\n" << process.log().text());
  // At once, when the burst is over, and what was asked for; more only when the machine had no time
  // for the burst.
  CHECK(process.log().count("msg=reloaded") <= 3 + took / milliseconds(50));
  CHECK_FALSE(served(ip_address("127.0.0.1", ports[0])));
  CHECK(process.log().count("msg=\"reload refused\"") == 0);
}

TEST_CASE("a SIGHUP with a SIGTERM on its heels is a drain that loses nothing") {
  const auto engine = SLUICE_EACH_ENGINE();
  const uint64_t seed = test_seed();
  INFO(engine << ", SLUICE_SEED=" << seed);
  util::Random random(seed);
  TcpBackend backend(echo);
  for (uint64_t round = 0; round < scaled(15, 3); ++round) {
    Balancer balancer(engine, {backend.address()});
    SluiceProcess& process = balancer.process();
    Socket held = balancer.connect_echo();
    process.write_config(
        config_of(random.below(2) == 0 ? balancer.address().port() : allocate_port(),
                  backend.address(), allocate_port()));
    // Two, so that often one waits for the other.
    process.send_signal(SIGHUP);
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(4000)));
    process.send_signal(SIGHUP);
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(4000)));
    process.send_signal(SIGTERM);
    CHECK(process.log().wait_for_line("msg=draining", std::chrono::seconds(5)));
    REQUIRE_NOTHROW(expect_echo(held, "still here"));
    held.finish();
    REQUIRE_NOTHROW(held.expect_fin());
    REQUIRE(process.wait_exit() == 0);
  }
}

TEST_CASE("whoever waits for a reload when the process is told to end gets an answer") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool has_connection = GENERATE(false, true);
  const int signals = GENERATE(1, 2);
  INFO(engine << ", connection " << has_connection << ", signals " << signals);
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()});
  SluiceProcess& process = balancer.process();
  Socket held;
  if (has_connection) held = balancer.connect_echo();
  // It moves the listener, so the reload is under way for as long as a queue drains.
  process.write_config(config_of(allocate_port(), backend.address(), allocate_port()));
  Socket first = ask_reload(process);
  std::array<Socket, 20> clients;
  for (Socket& client : clients) client = ask_reload(process);
  // The control socket answers in order, so now all of them have been heard.
  CHECK(process.command({"ready"}).code == 0);
  for (int i = 0; i < signals; ++i) {
    process.send_signal(SIGTERM);
    if (i == 0) CHECK(process.log().wait_for_line("msg=draining", std::chrono::seconds(5)));
  }
  CHECK_THAT(read_all(first), Contains("HTTP/1.1 "));
  for (Socket& client : clients) {
    const std::string answer = read_all(client);
    CHECK((answer.starts_with("HTTP/1.1 200 ") ||
           (answer.starts_with("HTTP/1.1 409 ") && answer.find("the process ") != answer.npos)));
  }
  held.close();
  CHECK(process.wait_exit() == 0);
}

TEST_CASE("a reload during a drain is refused with the reason") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()});
  SluiceProcess& process = balancer.process();
  Socket held = balancer.connect_echo();
  process.send_signal(SIGTERM);
  CHECK(process.log().wait_for_line("msg=draining", std::chrono::seconds(5)));
  process.write_config(config_of(balancer.address().port(), backend.address(), allocate_port()));
  const CommandResult reload = process.command({"reload", "--wait"});
  CHECK(reload.code == 1);
  CHECK_THAT(reload.err, Contains("the process is draining"));
  process.send_signal(SIGHUP);
  CHECK(process.log().wait_for_line("SIGHUP", std::chrono::seconds(5)));
  CHECK_NOTHROW(expect_echo(held, "still here"));
  held.finish();
  CHECK_NOTHROW(held.expect_fin());
  CHECK(process.wait_exit() == 0);
  CHECK(process.log().count("msg=reloaded") == 0);
}

TEST_CASE("a storm of SIGHUPs beside reloads that wait loses nothing and starves nobody") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()});
  SluiceProcess& process = balancer.process();
  const uint16_t ports[] = {allocate_port(), allocate_port()};
  {
    Churn churn(balancer.address(), 2);
    std::atomic<bool> stopping = false;
    std::thread storm([&] {
      while (!stopping) {
        process.send_signal(SIGHUP);
        std::this_thread::sleep_for(milliseconds(1));
      }
    });
    for (int round = 0; round < 10; ++round) {
      process.write_config(
          config_of(balancer.address().port(), backend.address(), ports[round % 2]));
      const CommandResult reload = process.command({"reload", "--wait"});
      CHECK(reload.code == 0);
      CHECK(served(ip_address("127.0.0.1", ports[round % 2])));
    }
    stopping = true;
    storm.join();
    const Churn::Outcome outcome = churn.stop();
    INFO(outcome.first_failure);
    CHECK(outcome.failures == 0);
    CHECK(outcome.served > 0);
  }
  CHECK(process.command({"reload", "--wait"}).code == 0);
  process.send_signal(SIGTERM);
  CHECK(process.wait_exit() == 0);
}

}  // namespace lb::test
