// Names as endpoints: what they come to, how they change, and that a DNS that is broken or gone
// takes nothing away and holds nobody up.
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "test/blackbox/named_backend.h"
#include "test/support/admin_client.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/dns_server.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/network_namespace.h"
#include "test/support/port_allocator.h"
#include "test/support/scale.h"
#include "test/support/seccomp_filter.h"
#include "test/support/tcp_backend.h"
#include "test/support/temp_dir.h"

namespace lb::test {
namespace {

using Mode = DNSServer::Mode;
using nlohmann::json;

// Long enough for a process to start, answer or reload on a busy machine; what must not be waited
// for here are timeouts of the DNS that never end.
constexpr auto kSoon = std::chrono::seconds(10);

// The text of an endpoint that is a name.
std::string named(const std::string& name, const std::string& more = "") {
  return fmt::format("{{ hostname = \"{}\"{} }},", name, more);
}

// Backends on one port of 127.0.0.2, 127.0.0.3, 127.0.0.4 and ::1, and what a balancer needs to be
// in front of those that a DNS names.
struct World {
  // The process is not started yet.
  std::string config(const std::string& endpoints, const std::string& service = "",
                     const std::string& more = "") const {
    return ConfigText()
        .runtime("workers = 1")
        .listener("main", port)
        .append(fmt::format("\n[[services]]\nname = \"web\"\n"
                            "ports = [{{ port = 80, targetPort = {} }}]\nendpoints = [{}]\n"
                            "loadBalancer = {{ type = \"RoundRobin\" }}\n{}\n",
                            backend_port, endpoints, service))
        .route("main", {{.service = "web"}})
        .append(is_of_system ? "" : dns.config())
        .append(more)
        .str();
  }

  net::Address address() const { return ip_address("127.0.0.1", port); }
  // Where some connections in a row go.
  Names places(int connections = 8) const { return names_of_backends(address(), connections); }
  void wait_places(const Names& wanted, const SluiceProcess& process) const {
    wait_names(address(), wanted, process);
  }

  DNSServer dns{};
  bool is_of_system = false;  // found through resolv.conf
  uint16_t port = allocate_port();
  uint16_t backend_port = allocate_port();
  TcpBackend two{says("127.0.0.2"), ip_address("127.0.0.2", backend_port)};
  TcpBackend three{says("127.0.0.3"), ip_address("127.0.0.3", backend_port)};
  TcpBackend four{says("127.0.0.4"), ip_address("127.0.0.4", backend_port)};
  TcpBackend six{says("::1"), ip_address("::1", backend_port)};
};

const std::string kEager = "dns = { refresh = \"100ms\" }";

double metric(const SluiceProcess& process, const std::string& name) {
  const auto metrics = metrics_of(process);
  const auto found = metrics.find(name);
  return found == metrics.end() ? -1 : found->second;
}

json endpoints_of(const SluiceProcess& process) {
  return status_of(process).at("services").at(0).at("endpoints");
}

}  // namespace

TEST_CASE("a name's addresses are endpoints from the first connection on") {
  const std::string engine = SLUICE_EACH_ENGINE();
  World world;
  world.dns.set_addresses("web.test", {"127.0.0.3", "::1", "127.0.0.2"}, 3600);
  SluiceProcess process(world.config(named("web.test") + "{ address = \"127.0.0.4\" },"), engine);
  CHECK(world.places(4) == Names{"127.0.0.2", "127.0.0.3", "127.0.0.4", "::1"});
  const json endpoints = endpoints_of(process);
  REQUIRE(endpoints.size() == 4);
  CHECK(endpoints[0].at("address") == "127.0.0.2");
  CHECK(endpoints[0].at("port") == world.backend_port);
  CHECK(endpoints[0].at("hostname") == "web.test");
  CHECK(endpoints[0].at("resolved") == true);
  CHECK(endpoints[2].at("address") == "::1");
  CHECK_FALSE(endpoints[3].contains("hostname"));
  CHECK(metric(process, R"(sluice_dns_lookups_total{result="found"})") == 2);
  CHECK(metric(process, R"(sluice_dns_names{state="resolved"})") == 1);
  // Nobody asks before the TTL is over.
  CHECK(world.dns.asked() == 2);
  process.stop();
}

TEST_CASE("names are followed while a drain is announced") {
  const std::string engine = SLUICE_EACH_ENGINE();
  World world;
  world.dns.set_addresses("web.test", {"127.0.0.2"});
  std::string config = world.config(named("web.test"), kEager);
  config.insert(config.find("workers = 1"), "announceGrace = \"1h\"\n");
  SluiceProcess process(config, engine);
  process.send_signal(SIGTERM);
  REQUIRE(process.log().wait_for_line("msg=draining", std::chrono::seconds(10)));
  world.dns.set_addresses("web.test", {"127.0.0.3"});
  world.wait_places({"127.0.0.3"}, process);
  process.send_signal(SIGTERM);
  CHECK(process.wait_exit() == 0);
}

TEST_CASE("a change in the DNS is a change of endpoints, and cuts nobody off") {
  const std::string engine = SLUICE_EACH_ENGINE();
  World world;
  world.dns.set_addresses("web.test", {"127.0.0.2"}, 0);
  SluiceProcess process(world.config(named("web.test"), "dns = { minTTL = \"100ms\" }"), engine);
  Socket old = Socket::connect(world.address());
  CHECK(old.recv_exactly(9) == "127.0.0.2");
  world.dns.set_addresses("web.test", {"127.0.0.3", "127.0.0.4"}, 0);
  world.wait_places({"127.0.0.3", "127.0.0.4"}, process);
  CHECK(process.log().wait_for_line(
      R"(msg="endpoints changed" service=web added=2 removed=1 total=2)", kSoon));
  expect_echo(old, "still here");
  old.close();
  world.dns.set_addresses("web.test", {"::1"}, 0);
  world.wait_places({"::1"}, process);
  CHECK(status_of(process).at("generation") == 1);
  // A TTL of 0 is no reason to ask all the time: at most each 100 ms, for two types of record.
  const int before = world.dns.asked();
  const auto begin = std::chrono::steady_clock::now();
  CHECK(eventually([&] { return world.dns.asked() >= before + 10; }, kSoon));
  CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(300));
  process.stop();
}

TEST_CASE("fifty addresses in an answer that is cut are asked for over TCP") {
  const std::string engine = SLUICE_EACH_ENGINE();
  World world;
  std::vector<std::string> ips;
  for (int i = 0; i < 50; ++i) ips.push_back(fmt::format("127.0.1.{}", i));
  world.dns.set_truncating(true);
  world.dns.set_addresses("web.test", ips, 3600);
  SluiceProcess process(world.config(named("web.test")), engine);
  CHECK(endpoints_of(process).size() == 50);
  CHECK(world.dns.asked_by_tcp() >= 1);
  process.stop();
}

TEST_CASE("whatever goes wrong in the DNS, the last answer is kept and clients do not wait") {
  const std::string engine = SLUICE_EACH_ENGINE();
  const Mode mode = GENERATE(Mode::kNXDomain, Mode::kServfail, Mode::kRefuse, Mode::kSilent);
  World world;
  world.dns.set_addresses("web.test", {"127.0.0.2", "::1"});
  SluiceProcess process(world.config(named("web.test"), kEager), engine);
  world.dns.set_mode(mode);
  CHECK(process.log().wait_for_line(
      R"(msg="name not resolved, the last answer is kept" name=web.test)",
      std::chrono::seconds(20)));
  CHECK(eventually([&] { return metric(process, R"(sluice_dns_names{state="stale"})") == 1; }));
  CHECK(world.places() == Names{"127.0.0.2", "::1"});
  // It is asked for again and again, and reported once.
  const int asked = world.dns.asked();
  CHECK(eventually([&] { return world.dns.asked() > asked; }, kSoon));
  CHECK(process.log().wait_count("name not resolved", 1) == 1);
  world.dns.set_addresses("web.test", {"127.0.0.3"});
  world.dns.set_mode(Mode::kAnswer);
  world.wait_places({"127.0.0.3"}, process);
  CHECK(process.log().wait_for_line(R"(msg="name resolved again" name=web.test)", kSoon));
  process.stop();
}

TEST_CASE("one family that is not answered does not take the other away") {
  const std::string engine = SLUICE_EACH_ENGINE();
  World world;
  constexpr uint16_t kAAAA = 28;
  world.dns.set_mode_of_type(kAAAA, Mode::kSilent);
  world.dns.set_addresses("web.test", {"127.0.0.2"});
  SluiceProcess process(world.config(named("web.test"), kEager), engine);
  CHECK(world.places() == Names{"127.0.0.2"});
  process.stop();
}

TEST_CASE("a host without IPv6 has no endpoints of IPv6, and asks for none") {
  const std::string engine = SLUICE_EACH_ENGINE();
  World world;
  world.dns.set_addresses("web.test", {"127.0.0.2", "::1"}, 3600);
  SluiceProcess process(world.config(named("web.test")), {.engine = engine, .before_exec = [] {
                                                            deny_sockets(AF_INET6, EAFNOSUPPORT);
                                                          }});
  CHECK(endpoints_of(process).size() == 1);
  CHECK(world.places() == Names{"127.0.0.2"});
  CHECK(world.dns.asked() == 1);
  process.stop();
}

TEST_CASE("a dead DNS does not keep from starting, and what it says later counts") {
  const std::string engine = SLUICE_EACH_ENGINE();
  World world;
  world.dns.set_mode(Mode::kSilent);
  // The other service is served meanwhile.
  const uint16_t other_port = allocate_port();
  std::string config = world.config(named("web.test"), kEager);
  const std::string listener =
      fmt::format("  {{ name = \"other\", port = {}, protocol = \"TCP\" }},\n]\n", other_port);
  config.replace(config.find("]\n", config.find("listeners = [")), 2, listener);
  config += fmt::format(
      "\n[[services]]\nname = \"other\"\nports = [{{ port = 80, targetPort = {} }}]\n"
      "endpoints = [{{ address = \"127.0.0.4\" }}]\n"
      "[[tcpRoutes]]\nname = \"to-other\"\nparentRefs = [{{ name = \"gw\", sectionName = "
      "\"other\" }}]\nrules = [{{ backendRefs = [{{ name = \"other\", port = 80 }}] }}]\n",
      world.backend_port);
  const auto begin = std::chrono::steady_clock::now();
  SluiceProcess process(config, engine);
  // The bound is 2 s, beside what a start takes.
  CHECK(std::chrono::steady_clock::now() - begin < patience(std::chrono::seconds(8)));
  CHECK(world.places() == Names{"-"});
  CHECK(name_of_backend(ip_address("127.0.0.1", other_port)) == "127.0.0.4");
  json endpoint = endpoints_of(process).at(0);
  CHECK(endpoint.at("hostname") == "web.test");
  CHECK(endpoint.at("resolved") == false);
  CHECK(endpoint.at("healthy") == false);
  CHECK(command(process, {"status"}).out.find("web.test (no address)") != std::string::npos);
  CHECK(process.log().wait_for_line(
      R"(msg="name not resolved, it has no endpoint yet" name=web.test)",
      std::chrono::seconds(20)));
  world.dns.set_addresses("web.test", {"127.0.0.2"});
  world.dns.set_mode(Mode::kAnswer);
  world.wait_places({"127.0.0.2"}, process);
  process.stop();
}

TEST_CASE("a dead DNS does not keep from reloading, and names that stay keep their endpoints") {
  const std::string engine = SLUICE_EACH_ENGINE();
  World world;
  world.dns.set_addresses("web.test", {"127.0.0.2"}, 3600);
  SluiceProcess process(world.config(named("web.test")), engine);
  world.dns.set_mode(Mode::kSilent);
  // Without a new name nobody waits: ten waits would be ten seconds.
  auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) CHECK(command(process, {"reload", "--wait"}).code == 0);
  CHECK(std::chrono::steady_clock::now() - begin < patience(std::chrono::seconds(8)));
  CHECK(world.places() == Names{"127.0.0.2"});
  process.write_config(world.config(named("web.test") + named("new.test")));
  begin = std::chrono::steady_clock::now();
  CHECK(command(process, {"reload", "--wait"}).code == 0);
  // The bound is 1 s.
  CHECK(std::chrono::steady_clock::now() - begin < patience(std::chrono::seconds(4)));
  CHECK(world.places() == Names{"127.0.0.2"});
  CHECK(endpoints_of(process).size() == 2);
  world.dns.set_addresses("new.test", {"127.0.0.3"});
  world.dns.set_mode(Mode::kAnswer);
  world.wait_places({"127.0.0.2", "127.0.0.3"}, process);
  process.stop();
}

TEST_CASE("a reload brings a new name with its endpoints, and refuses nobody meanwhile") {
  const std::string engine = SLUICE_EACH_ENGINE();
  World world;
  world.dns.set_addresses("a.test", {"127.0.0.2"}, 3600);
  world.dns.set_addresses("b.test", {"127.0.0.3"}, 3600);
  SluiceProcess process(world.config(named("a.test")), engine);
  // Long enough to be noticed, and far below the 1 s that is waited for.
  world.dns.set_delay(std::chrono::milliseconds(50));
  for (int i = 0; i < 10; ++i) {
    process.write_config(world.config(named(i % 2 == 0 ? "b.test" : "a.test")));
    process.send_signal(SIGHUP);
    const std::string wanted = i % 2 == 0 ? "127.0.0.3" : "127.0.0.2";
    std::string place;
    CHECK(eventually(
        [&] {
          place = name_of_backend(world.address());
          CHECK(place != "-");
          return place == wanted;
        },
        kSoon));
  }
  process.stop();
}

TEST_CASE("SRV records bring ports and weights") {
  const std::string engine = SLUICE_EACH_ENGINE();
  World world;
  TcpBackend elsewhere(says("127.0.0.5"), ip_address("127.0.0.5", allocate_port()));
  const uint16_t port = world.backend_port;
  world.dns.set_addresses("two.test", {"127.0.0.2"});
  world.dns.set_addresses("five.test", {"127.0.0.5"});
  world.dns.set_services("_web._tcp.test",
                         {{10, 3, port, "two.test"}, {10, 1, elsewhere.port(), "five.test"}});
  SluiceProcess process(world.config(named("_web._tcp.test", ", srv = true"), kEager), engine);
  std::map<std::string, int> counts;
  for (int i = 0; i < 40; ++i) ++counts[name_of_backend(world.address())];
  // Smooth within the one worker.
  CHECK(counts == std::map<std::string, int>{{"127.0.0.2", 30}, {"127.0.0.5", 10}});
  const json endpoints = endpoints_of(process);
  REQUIRE(endpoints.size() == 2);
  CHECK(endpoints[0].at("port") == elsewhere.port());
  CHECK(endpoints[0].at("weight") == 1);
  CHECK(endpoints[1].at("weight") == 3);
  CHECK(endpoints[1].at("hostname") == "_web._tcp.test");

  world.dns.set_addresses("three.test", {"127.0.0.3"});
  world.dns.set_services("_web._tcp.test", {{1, 1, port, "three.test"}});
  // Whoever comes while the target is being looked up goes where it went before.
  CHECK(eventually(
      [&] {
        const std::string place = name_of_backend(world.address());
        CHECK(place != "-");
        return place == "127.0.0.3";
      },
      kSoon));
  process.stop();
}

TEST_CASE("records of a higher priority number are for when those of a lower one are gone") {
  const std::string engine = SLUICE_EACH_ENGINE();
  World world;
  const uint16_t port = world.backend_port;
  std::optional<TcpBackend> five(std::in_place, says("127.0.0.5"), ip_address("127.0.0.5", port));
  world.dns.set_addresses("best.test", {"127.0.0.5", "127.0.0.9"});  // nobody is at the second
  world.dns.set_addresses("next.test", {"127.0.0.3"});
  world.dns.set_addresses("last.test", {"127.0.0.4"});
  world.dns.set_services(
      "_web._tcp.test",
      {{65535, 9, port, "last.test"}, {0, 1, port, "best.test"}, {7, 5, port, "next.test"}});
  SluiceProcess process(
      world.config(named("_web._tcp.test", ", srv = true"),
                   kEager + "\nhealthCheck.active = { type = \"TCP\", interval = \"100ms\", "
                            "unhealthyThreshold = 1, healthyThreshold = 1 }"),
      engine);
  const json endpoints = endpoints_of(process);
  REQUIRE(endpoints.size() == 4);
  CHECK(world.places(40) == Names{"127.0.0.5"});
  five.reset();
  // Whoever comes before the check has said so tries the next one by itself.
  CHECK(world.places(40) == Names{"127.0.0.3"});
  five.emplace(says("127.0.0.5"), ip_address("127.0.0.5", port));
  world.wait_places({"127.0.0.5"}, process);
  CHECK(world.places(40) == Names{"127.0.0.5"});
  process.stop();
}

namespace {

// Runs in the child: a machine that asks 127.0.0.1, and puts search.test behind names first.
void with_search_domain(const char* resolv_conf) {
  const bool is_done = ::unshare(CLONE_NEWNS) == 0 &&
                       ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                       ::mount(resolv_conf, "/etc/resolv.conf", nullptr, MS_BIND, nullptr) == 0;
  if (!is_done) ::_exit(99);
}

}  // namespace

TEST_CASE("a record's target is absolute, whatever the system's search domains") {
  const std::string engine = SLUICE_EACH_ENGINE();
  const auto space = NetworkNamespace::enter();
  if (space == nullptr) return;
  World world{.dns = DNSServer(53), .is_of_system = true};
  TempDir dir;
  const std::string resolv_conf =
      dir.write("resolv.conf", "nameserver 127.0.0.1\nsearch search.test\noptions ndots:5\n");
  world.dns.set_services("_web._tcp.search.test", {{1, 1, world.backend_port, "two.test"},
                                                   {1, 1, world.backend_port, "none.test"}});
  world.dns.set_addresses("two.test", {"127.0.0.2"});
  for (const char* const name : {"two.test.search.test", "none.test.search.test"}) {
    world.dns.set_addresses(name, {"127.0.0.9"});
  }
  world.dns.set_addresses("three.search.test", {"127.0.0.3"});
  SluiceProcess process(
      world.config(named("_web._tcp", ", srv = true") + named("three"), kEager),
      {.engine = engine, .before_exec = [&] { with_search_domain(resolv_conf.c_str()); }});
  CHECK(world.places() == Names{"127.0.0.2", "127.0.0.3"});
  CHECK(endpoints_of(process).size() == 2);
  CHECK(world.dns.asked("two.test") >= 2);
  CHECK(world.dns.asked("none.test") >= 2);
  CHECK(world.dns.asked("two.test.search.test") == 0);
  CHECK(world.dns.asked("none.test.search.test") == 0);
  CHECK(process.log().wait_count("name=none.test why=", 1) == 1);
  process.stop();
}

TEST_CASE("connects that fail have the name asked for again before its TTL is over") {
  const std::string engine = SLUICE_EACH_ENGINE();
  World world;
  // Nobody is there.
  world.dns.set_addresses("web.test", {"127.0.0.9"}, 3600);
  SluiceProcess process(world.config(named("web.test")), engine);
  CHECK(world.places(1) == Names{"-"});
  world.dns.set_addresses("web.test", {"127.0.0.2"}, 3600);
  world.wait_places({"127.0.0.2"}, process);
  process.stop();
}

TEST_CASE("an endpoints file and a name may come to the same address") {
  const std::string engine = SLUICE_EACH_ENGINE();
  World world;
  TempDir dir;
  const std::string file = dir.write("e", "127.0.0.2\n");
  world.dns.set_addresses("web.test", {"127.0.0.2", "127.0.0.3"}, 3600);
  SluiceProcess process(
      world.config(named("web.test"), fmt::format("endpointsFile = \"{}\"", file)), engine);
  CHECK(world.places() == Names{"127.0.0.2", "127.0.0.3"});
  CHECK(endpoints_of(process).size() == 2);
  dir.write("e", "127.0.0.3\n127.0.0.4\n");
  world.wait_places({"127.0.0.2", "127.0.0.3", "127.0.0.4"}, process);
  CHECK(endpoints_of(process).size() == 3);
  dir.write("e", "# nobody\n");
  world.wait_places({"127.0.0.2", "127.0.0.3"}, process);
  CHECK(process.log().count("not taken") == 0);
  process.stop();
}

TEST_CASE("check and diff ask nobody, and diff knows what is known") {
  const std::string engine = SLUICE_EACH_ENGINE();
  World world;
  world.dns.set_addresses("web.test", {"127.0.0.2", "127.0.0.3"}, 3600);
  SluiceProcess process(world.config(named("web.test")), engine);
  const int asked = world.dns.asked();
  const CommandResult check = run_sluice({"check", "--json", "--config", process.config_path()});
  CHECK(check.code == 0);
  const json services = json::parse(check.out).at("services");
  CHECK(services.at(0).at("endpoints").at(0).at("resolved") == false);
  CHECK(json::parse(check.out).at("faults").empty());
  const CommandResult diff =
      command(process, {"diff", "--json", "--config", process.config_path()});
  CHECK(diff.code == 0);
  CHECK(json::parse(diff.out).at("endpoints") ==
        json({{"added", 0}, {"removed", 0}, {"changed", 0}}));
  CHECK(world.dns.asked() == asked);
  process.stop();
}

TEST_CASE("signals are heard while names are waited for") {
  const std::string engine = SLUICE_EACH_ENGINE();
  World world;
  world.dns.set_mode(Mode::kSilent);
  {
    SluiceProcess process(world.config(named("web.test")),
                          SluiceOptions{.engine = engine, .wait_ready = false});
    CHECK(eventually([&] { return world.dns.asked() > 0; }, kSoon));
    process.send_signal(SIGTERM);
    CHECK(process.wait_exit() == 0);
  }
  SluiceProcess process(world.config(named("web.test")),
                        SluiceOptions{.engine = engine, .wait_ready = false});
  const int asked = world.dns.asked();
  CHECK(eventually([&] { return world.dns.asked() > asked; }, kSoon));
  process.send_signal(SIGHUP);
  CHECK(process.log().wait_for_line("msg=ready", kSoon));
  CHECK(process.log().wait_for_line("msg=reloaded", kSoon));
  // And while a reload waits.
  process.write_config(world.config(named("web.test") + named("new.test")));
  const int asked_for_new = world.dns.asked("new.test");
  process.send_signal(SIGHUP);
  CHECK(eventually([&] { return world.dns.asked("new.test") > asked_for_new; }, kSoon));
  process.send_signal(SIGTERM);
  CHECK(process.wait_exit() == 0);
}

}  // namespace lb::test
