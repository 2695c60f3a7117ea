// Reloads under load: nothing is lost on what stays, nothing leaks, and what goes serves who came
// in time.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "test/support/catch.h"
#include "test/support/churn.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/network_namespace.h"
#include "test/support/port_allocator.h"
#include "test/support/process_stats.h"
#include "test/support/scale.h"
#include "test/support/sluice_process.h"
#include "test/support/socket.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kReloadEvery(300);
constexpr int kRoundsBetweenEchoes = 5;

// A network in which nothing but the test counts, where that is allowed; the kernel's counters.
class OwnNetwork {
 public:
  OwnNetwork() : space_(NetworkNamespace::enter()) {
    if (space_ == nullptr) return;
    // Cookies would hide that a queue is full.
    space_->set("ipv4/tcp_syncookies", "0");
    drops_ = drops();
  }

  // Nobody was turned away from a full queue.
  void check_no_drops() const {
    if (space_ != nullptr) CHECK(drops() == drops_);
  }

 private:
  uint64_t drops() const {
    return space_->tcp_counter("ListenDrops") + space_->tcp_counter("ListenOverflows");
  }

  std::unique_ptr<NetworkNamespace> space_;
  uint64_t drops_ = 0;
};

// Services and listeners that change from round to round around a listener "main" that does not.
struct World {
  TcpBackend a{echo};
  TcpBackend b{echo};
  TcpBackend c{echo};
  uint16_t main = allocate_port();
  uint16_t rerouted = allocate_port();
  uint16_t passing = allocate_port();
  uint16_t moving[2] = {allocate_port(), allocate_port()};

  static std::string without_access_log(ConfigText& config) {
    return config.append("[accessLog]\npath = \"off\"\n").str();
  }

  std::string steady() const {
    return without_access_log(ConfigText()
                                  .listener("main", main)
                                  .service("web", {a.address(), b.address()})
                                  .route("main", {{.service = "web"}}));
  }

  // Endpoints that never come back; nobody is sent there.
  static std::vector<net::Address> fleeting(int round) {
    std::vector<net::Address> endpoints;
    for (int i = 1; i <= 50; ++i) {
      endpoints.push_back(ip_address(fmt::format("10.0.{}.{}", round, i), 80));
    }
    return endpoints;
  }

  std::string changed(int round) const {
    const bool is_odd = round % 2 == 1;
    ConfigText config;
    config.listener("main", main, is_odd ? "timeout.tcp.idleTimeout = \"1m\"" : "")
        .listener("rerouted", rerouted)
        .listener("moving", moving[round % 2]);
    if (is_odd) config.listener("passing", passing);
    config.service("web", {a.address(), round % 3 == 0 ? b.address() : c.address()})
        .service("other", {is_odd ? c.address() : b.address()})
        .service("fleeting", fleeting(round))
        .route("main", {{"web", 1 + round % 5}, {"other", 3}, {"fleeting", 0}})
        .route("moving", {{"web", 1}});
    if (is_odd) {
      config.route("rerouted", {{"web", 1}}).route("passing", {{"web", 1}});
    } else {
      config.route("rerouted", {{"other", 2}, {"web", round % 3}});
    }
    return without_access_log(config);
  }
};

net::Address at(uint16_t port) { return ip_address("127.0.0.1", port); }

// Connections that stay open over everything.
class Held {
 public:
  Held(const net::Address& address, int count) {
    for (int i = 0; i < count; ++i) clients_.push_back(Socket::connect(address));
    echo_all();
  }

  void echo_all() {
    for (Socket& client : clients_) {
      client.send("still here");
      const std::string back = client.recv_exactly(10);
      if (back != "still here") throw Failure("a held connection got: " + back);
    }
  }

 private:
  std::vector<Socket> clients_;
};

void check_nothing_lost(const Churn::Outcome& outcome) {
  INFO(outcome.first_failure);
  CHECK(outcome.failures == 0);
  CHECK(outcome.absent == 0);
  CHECK(outcome.served > 0);
  CHECK(outcome.retransmitted_syns == 0);
  CHECK(outcome.longest_connect < patience(milliseconds(1000)));
}

// Memory of a process, looked at once a round.
class MemoryWatch {
 public:
  explicit MemoryWatch(int rounds) : rounds_(rounds) {}

  void look(pid_t pid) { samples_.push_back(private_dirty_bytes(pid)); }

  // Whether the last quarter of `rounds` is within two percent of the quarter half of them earlier:
  // the least of each, since what is in flight at the moment comes on top.
  bool is_flat() const {
    const std::ptrdiff_t quarter = rounds_ / 4;
    const auto least = [&](auto from) { return *std::min_element(from, from + quarter); };
    const uint64_t early_bytes = least(samples_.end() - 3 * quarter);
    const uint64_t late_bytes = least(samples_.end() - quarter);
    std::printf("memory: %llu bytes, then %llu\n", static_cast<unsigned long long>(early_bytes),
                static_cast<unsigned long long>(late_bytes));
    // Sanitizers keep what was freed.
    return is_sanitized() || late_bytes * 100 <= early_bytes * 102;
  }

 private:
  const int rounds_;
  std::vector<uint64_t> samples_;
};

// Reloads once a period, to what `config_of(round)` says, each one applied before the next.
template <typename ConfigOf>
void reload_again_and_again(SluiceProcess& process, Held& held, const ConfigOf& config_of) {
  const int rounds = static_cast<int>(scaled(60, 15));
  MemoryWatch memory(rounds);
  auto next = steady_clock::now();
  // A busy machine lets clients pile up, and memory rises by a step to a new high-water mark; what
  // leaks grows on and on.
  const auto is_over = [&](int round) {
    return round == 3 * rounds ||
           (round >= rounds && round % (rounds / 2) == 0 && memory.is_flat());
  };
  for (int round = 0; !is_over(round);) {
    ++round;
    std::this_thread::sleep_until(next += kReloadEvery);
    process.write_config(config_of(round));
    process.send_signal(SIGHUP);
    INFO("round " << round << "\n" << process.log().text());
    REQUIRE(eventually([&] { return process.log().count("msg=reloaded") == round; }));
    if (round % kRoundsBetweenEchoes == 0) REQUIRE_NOTHROW(held.echo_all());
    CHECK(children_of(process.pid()).empty());
    memory.look(process.pid());
  }
  REQUIRE_NOTHROW(held.echo_all());
  CHECK(memory.is_flat());
}

// Memory is counted as far as it is touched, and meson has malloc touch all that it hands out.
SluiceOptions options_for(const std::string& engine) {
  return {.engine = engine, .environment = {{"MALLOC_PERTURB_", "0"}}};
}

}  // namespace

TEST_CASE("reloads of the same configuration under load lose nothing") {
  const auto engine = SLUICE_EACH_ENGINE();
  const OwnNetwork network;
  World world;
  SluiceProcess process(world.steady(), options_for(engine));
  {
    Held held(at(world.main), 200);
    Churn churn(at(world.main), 4);
    reload_again_and_again(process, held, [&](int) { return world.steady(); });
    check_nothing_lost(churn.stop());
  }
  network.check_no_drops();
  CHECK_NOTHROW(world.a.check());
  CHECK_NOTHROW(world.b.check());
  CHECK_NOTHROW(process.stop());
}

TEST_CASE("reloads that change everything around a listener under load lose nothing of it") {
  const auto engine = SLUICE_EACH_ENGINE();
  const OwnNetwork network;
  World world;
  SluiceProcess process(world.changed(0), options_for(engine));
  {
    Held held(at(world.main), 200);
    Churn main(at(world.main), 2);
    Churn rerouted(at(world.rerouted), 1);
    Churn passing(at(world.passing), 1, Churn::Listener::kMayBeAbsent);
    Churn moving(at(world.moving[0]), 1, Churn::Listener::kMayBeAbsent);
    reload_again_and_again(process, held, [&](int round) { return world.changed(round); });
    check_nothing_lost(main.stop());
    check_nothing_lost(rerouted.stop());
    for (Churn* churn : {&passing, &moving}) {
      const Churn::Outcome outcome = churn->stop();
      INFO(outcome.first_failure);
      CHECK(outcome.failures == 0);
      CHECK(outcome.served > 0);
      CHECK(outcome.absent > 0);
    }
  }
  network.check_no_drops();
  CHECK(process.log().count("listener not bound") == 0);
  for (TcpBackend* backend : {&world.a, &world.b, &world.c}) CHECK_NOTHROW(backend->check());
}

TEST_CASE("who is in the queue of a listener that goes is served, and then it refuses") {
  const auto engine = SLUICE_EACH_ENGINE();
  const OwnNetwork network;
  raise_open_file_limit();
  World world;
  SluiceProcess process(world.changed(1), options_for(engine));
  const uint64_t count = scaled(500, 50);
  for (int round = 2; round < 8; round += 2) {
    INFO(engine << ", round " << round);
    // While the process is stopped the kernel queues clients; then it finds all of them and the
    // reload that removes their listener at the same moment.
    process.send_signal(SIGSTOP);
    std::vector<Socket> clients;
    for (uint64_t i = 0; i < count; ++i) {
      clients.push_back(Socket::connect(at(i % 2 == 0 ? world.passing : world.moving[1])));
      clients.back().send("in time");
    }
    process.write_config(world.changed(round));
    process.send_signal(SIGHUP);
    process.send_signal(SIGCONT);
    for (Socket& client : clients) {
      REQUIRE_NOTHROW(client.recv_exactly(7));
      client.finish();
      REQUIRE_NOTHROW(client.expect_fin());
    }
    REQUIRE(eventually([&] { return process.log().count("msg=reloaded") == round - 1; }));
    for (const uint16_t port : {world.passing, world.moving[1]}) {
      int error = 0;
      Socket::try_connect(at(port), {}, error);
      CHECK(error == ECONNREFUSED);
    }
    // And back at once: the address is free again as soon as the reload is over.
    process.write_config(world.changed(round + 1));
    process.send_signal(SIGHUP);
    REQUIRE(eventually([&] { return process.log().count("msg=reloaded") == round; }));
    CHECK(process.log().count("listener not bound") == 0);
  }
  network.check_no_drops();
}

}  // namespace lb::test
