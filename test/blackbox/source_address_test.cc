// Where connections to servers come from: pools of addresses whose ports run out, the client's own
// address, an interface. Each in a network of its own.
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "test/support/admin_client.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/child_process.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/network_namespace.h"
#include "test/support/port_allocator.h"
#include "test/support/process_stats.h"
#include "test/support/scale.h"
#include "test/support/tcp_backend.h"
#include "test/support/temp_dir.h"

namespace lb::test {
namespace {

using std::chrono::milliseconds;

// Ports that a source has towards one destination, and clients that come.
const uint64_t kPorts = scaled(200, 50);
const uint64_t kClients = 5 * kPorts / 2;

// A network with few ports, none of which a listener has.
std::unique_ptr<NetworkNamespace> few_ports() {
  auto space = NetworkNamespace::enter();
  if (space != nullptr) {
    space->set("ipv4/ip_local_port_range", fmt::format("50000 {}", 50000 + kPorts - 1));
  }
  return space;
}

// A server that tells each connection where it seems to come from, then echoes.
class Mirror {
 public:
  explicit Mirror(const net::Address& address = ip_address("127.0.0.1", allocate_port()))
      : backend_(
            [](Socket& socket) {
              socket.send(socket.peer_address().to_string() + "\n");
              echo(socket);
            },
            address) {}

  const net::Address& address() const { return backend_.address(); }

 private:
  TcpBackend backend_;
};

// Where the server sees the client; empty when the client is refused.
std::string seen_of(const Socket& client) {
  std::string line;
  while (client.is_open() && !line.ends_with('\n')) {
    pollfd query = {client.fd(), POLLIN, 0};
    if (::poll(&query, 1, static_cast<int>(patience(kSocketPatience).count())) != 1) {
      throw Failure("neither served nor refused");
    }
    char byte = 0;
    const ssize_t count = ::recv(client.fd(), &byte, 1, 0);
    if (count < 0 && errno == ECONNRESET) return "";
    if (count != 1) throw Failure("no line from the server: " + line);
    line += byte;
  }
  return line.substr(0, line.find('\n'));
}

// A port that is open on every address, so that the clients' own ports suffice.
struct Everywhere {
  Everywhere(const std::string& engine, const std::vector<net::Address>& endpoints,
             const std::string& service, const SluiceOptions& options = {})
      : port(allocate_port()),
        process(one_service(port, endpoints, "", service).runtime("workers = 1").str(),
                with_engine(options, engine)) {}

  // The n-th client that comes; not open when it is refused at once.
  Socket connect(uint64_t n = 0) const {
    int error = 0;
    Socket socket =
        Socket::try_connect(ip_address(fmt::format("127.0.1.{}", 1 + n % 8), port), {}, error);
    if (error != 0 && error != ECONNRESET) throw Failure(errno_text("connect", error));
    return socket;
  }
  double metric(const std::string& name) const {
    const auto metrics = metrics_of(process);
    const auto found = metrics.find(name);
    return found == metrics.end() ? 0 : found->second;
  }

  uint16_t port;
  SluiceProcess process;

 private:
  static SluiceOptions with_engine(SluiceOptions options, const std::string& engine) {
    options.engine = engine;
    return options;
  }
};

std::string active_from(const std::string& source) {
  return "sluice_source_connections_active{service=\"web\",source=\"" + source + "\"}";
}

const char* const kUnavailable = "sluice_source_unavailable_total{service=\"web\"}";

std::string host_of(const std::string& address) { return address.substr(0, address.rfind(':')); }

// Clients that are served and stay, by the source and the server that they got.
struct Crowd {
  std::map<std::string, std::vector<Socket>> served;
  uint64_t refused = 0;

  size_t size() const {
    size_t count = 0;
    for (const auto& [source, sockets] : served) count += sockets.size();
    return count;
  }

  void come(const Everywhere& balancer, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      Socket client = balancer.connect(i);
      const std::string seen = seen_of(client);
      if (seen.empty()) {
        ++refused;
      } else {
        served[host_of(seen)].push_back(std::move(client));
      }
    }
  }

  void expect_all_live() {
    for (auto& [source, sockets] : served) {
      for (Socket& socket : sockets) expect_echo(socket, "still here");
    }
  }
};

}  // namespace

TEST_CASE("one source: as many connections as it has ports, the others are refused and counted") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto source = GENERATE(as<std::string>(), "", "127.0.0.11");
  INFO(engine << ", from " << (source.empty() ? "what the kernel chooses" : source));
  const auto space = few_ports();
  if (space == nullptr) return;
  raise_open_file_limit();
  Mirror mirror;
  Everywhere balancer(engine, {mirror.address()},
                      source.empty() ? "" : "source = { addresses = [\"" + source + "\"] }");
  const auto started = std::chrono::steady_clock::now();
  Crowd crowd;
  crowd.come(balancer, kClients);
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started)
          .count();
  CHECK(crowd.size() == kPorts);
  CHECK(crowd.refused == kClients - kPorts);
  CHECK(crowd.served.size() == 1);
  CHECK_NOTHROW(crowd.expect_all_live());
  CHECK(balancer.metric(kUnavailable) >= static_cast<double>(kClients - kPorts));
  if (!source.empty()) CHECK(balancer.metric(active_from(source)) == static_cast<double>(kPorts));
  for (const AccessRecord& record : balancer.process.wait_records(kClients - kPorts)) {
    INFO(record.line());
    REQUIRE(record.text("close") == "connect_failed@connect");
  }
  // At most a line a second, and it says what is the matter.
  const int lines = balancer.process.log().count("msg=\"no source to connect from\"");
  CHECK(lines >= 1);
  CHECK(lines <= seconds + 2);
  CHECK(balancer.process.log().wait_for_line("no free port", milliseconds(5000)));

  // Nothing goes on while nobody comes.
  const milliseconds cpu_before = cpu_time(balancer.process.pid());
  std::this_thread::sleep_for(milliseconds(1000));
  CHECK(cpu_time(balancer.process.pid()) - cpu_before <= patience(milliseconds(100)));

  // Ports that become free are used again.
  for (Socket& client : crowd.served.begin()->second) client.reset();
  balancer.process.wait_records(kClients);
  Crowd next;
  next.come(balancer, kPorts);
  CHECK(next.size() == kPorts);
  CHECK(next.refused == 0);
  for (auto& [name, sockets] : next.served) {
    for (Socket& client : sockets) client.reset();
  }
  balancer.process.stop();
}

TEST_CASE("three sources: three times as many, evenly, and the next one where one has none left") {
  const auto engine = SLUICE_EACH_ENGINE();
  INFO(engine);
  const auto space = few_ports();
  if (space == nullptr) return;
  raise_open_file_limit();
  Mirror mirror;
  Everywhere balancer(engine, {mirror.address()},
                      "source = { addresses = [\"127.0.0.11\", \"127.0.0.12\", \"127.0.0.13\"] }");
  Crowd crowd;
  crowd.come(balancer, kClients);
  CHECK(crowd.refused == 0);
  REQUIRE(crowd.served.size() == 3);
  for (const auto& [source, sockets] : crowd.served) {
    // In turn: kClients / 3, rounded either way.
    CHECK(sockets.size() >= kClients / 3);
    CHECK(sockets.size() <= kClients / 3 + 1);
    CHECK(balancer.metric(active_from(source)) == static_cast<double>(sockets.size()));
  }
  // Those of one address go: whoever comes finds its ports, whichever address has the turn.
  for (Socket& client : crowd.served["127.0.0.12"]) client.reset();
  const size_t gone = crowd.served["127.0.0.12"].size();
  crowd.served.erase("127.0.0.12");
  balancer.process.wait_records(gone);
  crowd.come(balancer, 3 * kPorts - crowd.size());
  CHECK(crowd.refused == 0);
  CHECK(crowd.size() == 3 * kPorts);
  CHECK(crowd.served["127.0.0.12"].size() == kPorts);
  CHECK(balancer.metric(kUnavailable) == 0);
  crowd.come(balancer, 3);
  CHECK(crowd.refused == 3);
  CHECK(balancer.metric(kUnavailable) >= 3);
  CHECK_NOTHROW(crowd.expect_all_live());
  for (auto& [source, sockets] : crowd.served) {
    for (Socket& client : sockets) client.reset();
  }
  balancer.process.stop();
}

TEST_CASE("no port left towards one server: the next server is tried, and none is thought ill of") {
  const auto engine = SLUICE_EACH_ENGINE();
  INFO(engine);
  const auto space = few_ports();
  if (space == nullptr) return;
  raise_open_file_limit();
  Mirror one;
  Mirror two;
  Everywhere balancer(engine, {one.address(), two.address()},
                      "source = { addresses = [\"127.0.0.11\"] }\n"
                      "healthCheck.passive = { consecutiveConnectFailures = 1 }\n"
                      "loadBalancer.type = \"Random\"");
  // By chance one server has all that it can have before the other does.
  Crowd crowd;
  crowd.come(balancer, kClients);
  CHECK(crowd.size() == 2 * kPorts);
  CHECK(crowd.refused == kClients - 2 * kPorts);
  // Both are served to the last port again.
  for (auto& [source, sockets] : crowd.served) {
    for (Socket& client : sockets) client.reset();
  }
  balancer.process.wait_records(kClients);
  Crowd next;
  next.come(balancer, 2 * kPorts);
  CHECK(next.refused == 0);
  for (auto& [source, sockets] : next.served) {
    for (Socket& client : sockets) client.reset();
  }
  balancer.process.stop();
}

TEST_CASE("servers over IPv6 are dialled from the IPv6 addresses, unix sockets from none") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto space = NetworkNamespace::enter();
  if (space == nullptr) return;
  space->ip("-6 address add fd00::5/128 dev lo nodad");
  const auto kind = GENERATE(as<std::string>(), "ipv6", "ipv4", "unix");
  const TempDir dir;
  Mirror mirror(kind == "ipv6"   ? ip_address("::1", allocate_port())
                : kind == "ipv4" ? ip_address("127.0.0.1", allocate_port())
                                 : unix_address(dir.path("server.sock")));
  Everywhere balancer(engine, {mirror.address()},
                      "source = { addresses = [\"127.0.0.11\", \"fd00::5\"] }");
  for (int i = 0; i < 3; ++i) {
    Socket client = balancer.connect();
    const std::string seen = seen_of(client);
    INFO(seen);
    if (kind == "ipv6") CHECK(host_of(seen) == "[fd00::5]");
    if (kind == "ipv4") CHECK(host_of(seen) == "127.0.0.11");
  }
  balancer.process.stop();
}

TEST_CASE("a source that this host has not is told at the start, and again at a reload") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto space = NetworkNamespace::enter();
  if (space == nullptr) return;
  Mirror mirror;
  const std::string keys = "source = { addresses = [\"192.0.2.77\", \"127.0.0.11\"] }";
  Everywhere balancer(engine, {mirror.address()}, keys);
  CHECK(balancer.process.log().wait_for_line(
      "source=192.0.2.77 why=\"not an address of this host\"", milliseconds(5000)));
  for (int i = 0; i < 3; ++i) CHECK(host_of(seen_of(balancer.connect())) == "127.0.0.11");
  // It comes later: no reload is needed to use it.
  space->ip("address add 192.0.2.77/32 dev lo");
  std::map<std::string, int> seen;
  for (int i = 0; i < 4; ++i) ++seen[host_of(seen_of(balancer.connect()))];
  CHECK(seen == std::map<std::string, int>{{"127.0.0.11", 2}, {"192.0.2.77", 2}});
  CHECK(balancer.process.command({"reload", "--wait"}).code == 0);
  CHECK(balancer.process.log().wait_count("source not usable", 1) == 1);
  balancer.process.stop();
}

TEST_CASE("an interface is the only way out") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto space = NetworkNamespace::enter();
  if (space == nullptr) return;
  space->ip("link add there type veth peer name elsewhere");
  space->ip("link set there up");
  const auto interface = GENERATE(as<std::string>(), "lo", "there", "nosuch");
  INFO(engine << ", " << interface);
  Mirror mirror;
  Everywhere balancer(engine, {mirror.address()},
                      "source = { interface = \"" + interface +
                          "\" }\n"
                          "timeout.tcp.connectTimeout = \"500ms\"");
  Socket client = balancer.connect();
  CHECK(seen_of(client).empty() == (interface != "lo"));
  const int told = balancer.process.log().count("why=\"no such interface\"");
  CHECK((told > 0) == (interface == "nosuch"));
  client.close();
  balancer.process.stop();
}

namespace {

// A host of its own beyond a cable, for a client: its address is 10.77.0.2, ours 10.77.0.1.
class FarClient {
 public:
  explicit FarClient(const NetworkNamespace& here)
      : host_({.argv = {"unshare", "-n", "sleep", "600"}}) {
    const std::string pid = std::to_string(host_.pid());
    const auto is_apart = [&] {
      return run_command({.argv = {"sh", "-c",
                                   "test $(readlink /proc/" + pid +
                                       "/ns/net) != $(readlink /proc/self/ns/net)"}})
                 .code == 0;
    };
    if (!eventually(is_apart)) throw Failure("no network for the client");
    here.ip("link add near type veth peer name far");
    here.ip("link set far netns " + pid);
    here.ip("address add 10.77.0.1/24 dev near");
    here.ip("link set near up");
    in_there({"ip", "address", "add", "10.77.0.2/24", "dev", "far"});
    in_there({"ip", "link", "set", "far", "up"});
  }

  // A socket belongs to the network in which it was made.
  Socket connect(uint16_t port) const {
    Socket socket;
    std::string failure;
    std::thread([&] {
      const net::UniqueFd there(
          ::open(fmt::format("/proc/{}/ns/net", host_.pid()).c_str(), O_RDONLY | O_CLOEXEC));
      if (::setns(there.get(), CLONE_NEWNET) != 0) {
        failure = errno_text("setns", errno);
        return;
      }
      try {
        socket = Socket::connect(ip_address("10.77.0.1", port));
      } catch (const std::exception& error) {
        failure = error.what();
      }
    }).join();
    if (!failure.empty()) throw Failure(failure);
    return socket;
  }

 private:
  void in_there(std::vector<std::string> argv) const {
    std::vector<std::string> all = {"nsenter", "-t", std::to_string(host_.pid()), "-n"};
    all.insert(all.end(), argv.begin(), argv.end());
    const CommandResult result = run_command({.argv = all});
    if (result.code != 0) throw Failure("nsenter: " + result.err);
  }

  ChildProcess host_;
};

// What a server sends to the client's address must come back to us: everything from its port is
// routed to this host.
void route_back(const NetworkNamespace& space, uint16_t server_port) {
  space.ip("rule add ipproto tcp sport " + std::to_string(server_port) + " lookup 77");
  space.ip("route add local 0.0.0.0/0 dev lo table 77");
}

}  // namespace

TEST_CASE("transparent: the server sees the client's own address and port") {
  const auto engine = SLUICE_EACH_ENGINE();
  INFO(engine);
  if (!have_command("nsenter") || !have_command("unshare")) {
    std::printf("skipped, there is no nsenter here\n");
    return;
  }
  const auto space = NetworkNamespace::enter();
  if (space == nullptr) return;
  const FarClient far(*space);
  Mirror mirror(ip_address("10.77.0.1", allocate_port()));
  route_back(*space, mirror.address().port());
  Everywhere balancer(engine, {mirror.address()}, "source = { transparent = true }");
  Socket first = far.connect(balancer.port);
  CHECK(seen_of(first) == first.local_address().to_string());
  CHECK_NOTHROW(expect_echo(first, "through somebody else's address"));
  Socket second = far.connect(balancer.port);
  CHECK(seen_of(second) == second.local_address().to_string());
  CHECK(balancer.process.log().count("source not usable") == 0);
  first.close();
  second.close();
  balancer.process.stop();
}

TEST_CASE("transparent: without the capability it is said at the start, and nobody is served") {
  const auto engine = SLUICE_EACH_ENGINE();
  INFO(engine);
  const auto space = NetworkNamespace::enter();
  if (space == nullptr) return;
  Mirror mirror;
  SluiceOptions options;
  options.before_exec = [] {
    ::prctl(PR_CAPBSET_DROP, CAP_NET_ADMIN);
    ::prctl(PR_CAPBSET_DROP, CAP_NET_RAW);
  };
  Everywhere balancer(engine, {mirror.address()}, "source = { transparent = true }", options);
  CHECK(balancer.process.log().wait_for_line("CAP_NET_ADMIN is missing", milliseconds(5000)));
  CHECK(seen_of(balancer.connect()).empty());
  CHECK(balancer.process.wait_records(1).front().text("close") == "connect_failed@connect");
  CHECK(balancer.process.log().wait_for_line("no source to connect from", milliseconds(5000)));
  balancer.process.stop();
}

}  // namespace lb::test
