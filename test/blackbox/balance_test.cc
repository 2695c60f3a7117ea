// Which backend gets a connection: each type of balancing by a process over real sockets.
#include <fmt/format.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "test/support/admin_client.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/port_allocator.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

using std::chrono::milliseconds;

// Backends that say their number, each after a time of its own, and wait for the client to go.
class Backends {
 public:
  explicit Backends(size_t count) : Backends(std::vector<milliseconds>(count)) {}
  explicit Backends(const std::vector<milliseconds>& delays) {
    for (size_t i = 0; i < delays.size(); ++i) {
      backends_.push_back(std::make_unique<TcpBackend>([i, delay = delays[i]](Socket& socket) {
        std::this_thread::sleep_for(delay);
        socket.send(std::to_string(i));
        hold(socket);
      }));
    }
  }

  uint16_t port(size_t i) const { return backends_.at(i)->port(); }

  // An entry of a service's endpoints; `extra` is the rest of it: "weight = 2".
  std::string entry(size_t i, std::string_view extra = {}) const {
    return endpoint_entry(port(i), extra);
  }

  static std::string endpoint_entry(uint16_t port, std::string_view extra = {}) {
    return fmt::format("  {{ address = \"127.0.0.1\", port = {}{}{} }},\n", port,
                       extra.empty() ? "" : ", ", extra);
  }

 private:
  std::vector<std::unique_ptr<TcpBackend>> backends_;
};

// A listener in front of a service "web" of these entries, balanced as `balancer` says.
std::string config_of(uint16_t port, std::string_view entries, std::string_view balancer) {
  ConfigText config;
  config.listener("main", port).route("main", {{.service = "web"}});
  return config
      .append(fmt::format("\n[[services]]\nname = \"web\"\nports = [{{ port = 80 }}]\n{}\n"
                          "endpoints = [\n{}]\n",
                          balancer, entries))
      .str();
}

std::string type(std::string_view name) { return fmt::format("loadBalancer.type = \"{}\"", name); }

// One worker, so that what is exact within a worker is exact.
SluiceOptions one_worker(const std::string& engine) {
  return {.engine = engine, .arguments = {"--workers", "1"}};
}

// How often each backend was the one, over `count` connections one after the other. Each is over
// before the next begins, so that no count of active ones is left of it.
std::map<std::string, int> counts_of(const SluiceProcess& process, uint16_t port, int count) {
  std::map<std::string, int> counts;
  for (int i = 0; i < count; ++i) {
    const size_t ended = process.records().size();
    Socket socket = Socket::connect(ip_address("127.0.0.1", port));
    ++counts[socket.recv_exactly(1)];
    socket.close();
    process.wait_records(ended + 1);
  }
  return counts;
}

// A connection from this address of the loopback, and the number of the backend that it came to.
std::string backend_of(const net::Address& from, uint16_t port) {
  net::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const net::Address to = ip_address("127.0.0.1", port);
  if (::bind(fd.get(), from.data(), from.size_bytes()) != 0) fail_errno("bind");
  if (::connect(fd.get(), to.data(), to.size_bytes()) != 0) fail_errno("connect");
  char number = 0;
  if (::recv(fd.get(), &number, 1, 0) != 1) fail_errno("recv");
  return {number};
}

// The same over `count` connections by so many clients, each of which comes again when it was
// answered.
std::map<std::string, int> counts_under_load(uint16_t port, int clients, int count) {
  std::mutex mutex;  // guards counts and failure
  std::map<std::string, int> counts;
  std::string failure;
  std::atomic<int> left = count;
  const auto come_and_go = [&] {
    Socket socket = Socket::connect(ip_address("127.0.0.1", port));
    const std::string backend = socket.recv_exactly(1);
    const std::lock_guard lock(mutex);
    ++counts[backend];
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&] {
      try {
        while (left-- > 0) come_and_go();
      } catch (const Failure& thrown) {
        const std::lock_guard lock(mutex);
        failure = thrown.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (!failure.empty()) throw Failure(failure);
  return counts;
}

constexpr int kClients = 24;

net::Address client(int i) { return ip_address(fmt::format("127.0.0.{}", 10 + i), 0); }

// The backend of each client.
std::vector<std::string> backends_of_clients(uint16_t port) {
  std::vector<std::string> out;
  for (int i = 0; i < kClients; ++i) out.push_back(backend_of(client(i), port));
  return out;
}

void reload(const SluiceProcess& process, const std::string& config) {
  process.write_config(config);
  REQUIRE(command(process, {"reload", "--wait"}).code == 0);
}

}  // namespace

TEST_CASE("RoundRobin is exact by weight, and a weight of zero gets nothing") {
  const auto engine = SLUICE_EACH_ENGINE();
  const Backends backends(3);
  const uint16_t port = allocate_port();
  SluiceProcess process(
      config_of(port,
                backends.entry(0, "weight = 1") + backends.entry(1, "weight = 2") +
                    backends.entry(2, "weight = 0"),
                type("RoundRobin")),
      one_worker(engine));
  CHECK(counts_of(process, port, 60) == std::map<std::string, int>{{"0", 20}, {"1", 40}});
  process.stop();
}

// A count of n choices with probability p has the deviation sqrt(n * p * (1 - p)); six of them are
// passed twice in 10^9 times.
TEST_CASE("Random and LeastConnections without load are fair by weight") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto name = GENERATE("Random", "LeastConnections");
  const Backends backends(3);
  const uint16_t port = allocate_port();
  SluiceProcess process(config_of(port,
                                  backends.entry(0) + backends.entry(1, "weight = 3") +
                                      backends.entry(2, "weight = 0"),
                                  type(name)),
                        one_worker(engine));
  constexpr int kCount = 200;
  std::map<std::string, int> counts = counts_of(process, port, kCount);
  const double deviation = std::sqrt(kCount * 0.25 * 0.75);
  CHECK(std::abs(counts["0"] - kCount * 0.25) <= 6 * deviation);
  CHECK(counts["0"] + counts["1"] == kCount);
  process.stop();
}

TEST_CASE("LeastConnections: who holds connections gets no more until the others have as many") {
  const auto engine = SLUICE_EACH_ENGINE();
  const Backends backends(2);
  const uint16_t port = allocate_port();
  SluiceProcess process(config_of(port, backends.entry(0), type("LeastConnections")), engine);
  const net::Address address = ip_address("127.0.0.1", port);
  std::vector<Socket> held;
  const auto hold_one = [&] {
    held.push_back(Socket::connect(address));
    return held.back().recv_exactly(1);
  };
  for (int i = 0; i < 10; ++i) REQUIRE(hold_one() == "0");
  reload(process, config_of(port, backends.entry(0) + backends.entry(1), type("LeastConnections")));
  for (int i = 0; i < 10; ++i) CHECK(hold_one() == "1");
  held.clear();
  process.stop();
}

// Little's law: connections a second = active / duration, for each endpoint. With the active ones
// alike, shares are as 1 / duration: of three, one of which takes ten times as long, it serves
// 0.1 / (1 + 1 + 0.1) = 4.8 percent, where its turn would come to a third. At the start all clients
// come at once, ten to each, so of 450 it has some 10 + 0.048 * 450 = 32, and a sixth = 75 is seven
// deviations more. What a busy machine adds to each duration makes them more alike: with 300 ms it
// is 2300 to 500 ms, and 10 + 0.098 * 450 = 54.
TEST_CASE("LeastConnections: the share of a slow endpoint falls with its slowness") {
  const auto engine = SLUICE_EACH_ENGINE();
  const Backends backends({milliseconds(200), milliseconds(200), milliseconds(2000)});
  const uint16_t port = allocate_port();
  SluiceProcess process(config_of(port, backends.entry(0) + backends.entry(1) + backends.entry(2),
                                  type("LeastConnections")),
                        engine);
  std::map<std::string, int> counts = counts_under_load(port, 30, 450);
  INFO(engine << ": " << counts["0"] << ", " << counts["1"] << ", " << counts["2"]);
  CHECK(counts["0"] + counts["1"] + counts["2"] == 450);
  CHECK(counts["2"] > 0);
  CHECK(counts["2"] < 450 / 6);
  // The others are alike: six deviations of a count of 225, and what two choices leave uneven.
  CHECK(std::abs(counts["0"] - counts["1"]) < 2 * (6 * 11 + 5));
  process.stop();
}

TEST_CASE("a priority is used when the ones before it refuse, and not before") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto name = GENERATE("RoundRobin", "LeastConnections", "Random", "ConsistentHash");
  const Backends backends(2);
  const uint16_t port = allocate_port();
  const std::string second = backends.entry(1, "priority = 2");
  const std::string dead = Backends::endpoint_entry(allocate_port());
  SluiceProcess process(config_of(port, second + backends.entry(0), type(name)), engine);
  CHECK(counts_of(process, port, 10) == std::map<std::string, int>{{"0", 10}});
  reload(process, config_of(port, second + dead, type(name)));
  CHECK(counts_of(process, port, 10) == std::map<std::string, int>{{"1", 10}});
  process.stop();
}

// A tenth of the other's weight, and in an hour's window it stays there while this test runs: one
// in eleven, exact but for what weights have grown.
TEST_CASE("slowStart: an endpoint that is new begins with a tenth of its weight") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto name = GENERATE("RoundRobin", "LeastConnections");
  const Backends backends(2);
  const uint16_t port = allocate_port();
  const std::string balancer = type(name) + "\nloadBalancer.slowStart.window = \"10h\"";
  SluiceProcess process(config_of(port, backends.entry(0), balancer), one_worker(engine));
  const auto weight = [&](size_t i) {
    return metrics_of(process).at(fmt::format(
        "sluice_endpoint_weight{{service=\"web\",endpoint=\"127.0.0.1:{}\"}}", backends.port(i)));
  };
  CHECK(weight(0) == 1);  // there from the beginning
  reload(process, config_of(port, backends.entry(0) + backends.entry(1), balancer));
  CHECK(weight(0) == 1);
  CHECK(weight(1) == Approx(0.1).margin(0.01));
  std::map<std::string, int> counts = counts_of(process, port, 110);
  if (std::string_view(name) == "RoundRobin") {
    CHECK(std::abs(counts["1"] - 10) <= 1);
  } else {
    CHECK(std::abs(counts["1"] - 10) <= 6 * std::sqrt(110 * (1 / 11.0) * (10 / 11.0)));
  }
  // What is unchanged is not new at the next reload.
  reload(process, config_of(port, backends.entry(0) + backends.entry(1), balancer));
  CHECK(weight(0) == 1);
  CHECK(weight(1) < 0.5);
  process.stop();
}

TEST_CASE("ConsistentHash: a client keeps its backend, and only those of one that goes move") {
  const auto engine = SLUICE_EACH_ENGINE();
  const Backends backends(4);
  const uint16_t port = allocate_port();
  const auto config = [&](std::string_view extra_of_last) {
    return config_of(port,
                     backends.entry(0) + backends.entry(1) + backends.entry(2) +
                         backends.entry(3, extra_of_last),
                     type("ConsistentHash"));
  };
  SluiceProcess process(config({}), engine);
  const std::vector<std::string> before = backends_of_clients(port);
  CHECK(backends_of_clients(port) == before);
  for (int i = 0; i < kClients; ++i) {
    const CommandResult found = command(process, {"lookup", "web", client(i).host_string()});
    REQUIRE(found.code == 0);
    const int backend = std::stoi(before[static_cast<size_t>(i)]);
    CHECK(found.out == fmt::format("127.0.0.1:{}\n", backends.port(static_cast<size_t>(backend))));
  }

  reload(process, config("ready = false"));
  const std::vector<std::string> after = backends_of_clients(port);
  for (size_t i = 0; i < kClients; ++i) {
    INFO("client " << i << " was with " << before[i] << " and is with " << after[i]);
    CHECK(after[i] != "3");
    if (before[i] != "3") CHECK(after[i] == before[i]);
  }
  reload(process, config({}));
  CHECK(backends_of_clients(port) == before);
  process.stop();

  // Another process, started from the same file in another order.
  const uint16_t other_port = allocate_port();
  SluiceProcess other(
      config_of(other_port,
                backends.entry(2) + backends.entry(0) + backends.entry(3) + backends.entry(1),
                type("ConsistentHash")),
      engine);
  CHECK(backends_of_clients(other_port) == before);
  other.stop();
}

TEST_CASE("ConsistentHash: the prefix of the source is what counts") {
  const auto engine = SLUICE_EACH_ENGINE();
  const Backends backends(4);
  const uint16_t port = allocate_port();
  SluiceProcess process(
      config_of(port, backends.entry(0) + backends.entry(1) + backends.entry(2) + backends.entry(3),
                type("ConsistentHash") + "\nloadBalancer.consistentHash.prefix4 = 24"),
      engine);
  const std::vector<std::string> found = backends_of_clients(port);
  CHECK(found == std::vector<std::string>(kClients, found.front()));
  process.stop();
}

TEST_CASE("ConsistentHash: processes with the same endpoints have the same checksum") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto checksum = [&](std::string_view endpoints, std::string_view more) {
    const std::string balancer = type("ConsistentHash") + "\n" + std::string(more);
    SluiceProcess process(config_of(allocate_port(), endpoints, balancer), engine);
    const double value = metrics_of(process).at("sluice_maglev_table_checksum{service=\"web\"}");
    process.stop();
    return value;
  };
  const std::string a = "{ address = \"10.0.0.1\", port = 80, weight = 2 },\n";
  const std::string b = "{ address = \"10.0.0.2\", port = 80 },\n";
  const std::string c = "{ address = \"2001:db8::1\", port = 80 },\n";
  const double value = checksum(a + b + c, "");
  CHECK(value > 0);
  CHECK(checksum(c + a + b, "") == value);
  CHECK(checksum(a + b, "") != value);
  CHECK(checksum(a + b + c, "loadBalancer.consistentHash.seed = 1") != value);
  CHECK(checksum(a + b + c, "loadBalancer.consistentHash.tableSize = 1009") != value);
}

TEST_CASE("lookup says why it cannot say") {
  const auto engine = SLUICE_EACH_ENGINE();
  const Backends backends(1);
  SluiceProcess process(config_of(allocate_port(), backends.entry(0), type("Random")), engine);
  const CommandResult random = command(process, {"lookup", "web", "10.0.0.1"});
  CHECK(random.code == 1);
  CHECK_THAT(random.err, Catch::Contains("is not balanced by ConsistentHash"));
  const CommandResult missing = command(process, {"lookup", "wbe", "10.0.0.1"});
  CHECK(missing.code == 1);
  CHECK_THAT(missing.err, Catch::Contains("no route leads to a service \"wbe\""));
  const CommandResult name = command(process, {"lookup", "web", "localhost"});
  CHECK(name.code == 1);
  CHECK_THAT(name.err, Catch::Contains("\"localhost\" is no IP address"));
  CHECK(command(process, {"lookup", "web"}).code == 2);
  process.stop();
}

}  // namespace lb::test
