// The resolver against a DNS server over real sockets.
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>

#include "lb/control/dns/resolver.h"
#include "lb/event/engine_factory.h"
#include "test/support/catch.h"
#include "test/support/dns_server.h"
#include "test/support/port_allocator.h"
#include "test/support/scale.h"
#include "test/support/socket.h"

namespace lb::control {
namespace {

using Mode = test::DNSServer::Mode;
using Strings = std::vector<std::string>;

size_t open_fds() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

struct Asking {
  Asking() : Asking(std::vector<net::Address>()) {}
  explicit Asking(std::vector<net::Address> servers) {
    auto made = event::make_engine(event::EngineKind::kEpoll, {});
    REQUIRE(made.ok());
    engine = *std::move(made);
    servers.push_back(test::ip_address("127.0.0.1", dns.port()));
    fds_before = open_fds();
    resolver = make_cares_resolver(*engine, servers);
    REQUIRE(resolver != nullptr);
  }
  ~Asking() { close(); }

  // The answer, waiting for it; nothing when there is none.
  std::optional<Answer> ask(const std::string& name, RecordType type) {
    std::optional<Answer> answer;
    resolver->ask(name, type, [&](const Answer& got) { answer = got; });
    CHECK_FALSE(answer);
    const util::MonoTimeMs end_ms =
        util::mono_now_ms() + test::patience(std::chrono::seconds(30)).count();
    while (!answer && util::mono_now_ms() < end_ms) engine->run_once(util::mono_now_ms() + 50);
    return answer;
  }
  void close() {
    resolver.reset();
    engine->run_once(util::mono_now_ms());
  }

  test::DNSServer dns;
  std::unique_ptr<event::Engine> engine;
  size_t fds_before = 0;
  std::unique_ptr<Resolver> resolver;
};

TEST_CASE("addresses of both families are found, with their TTL") {
  Asking asking;
  asking.dns.set_addresses("web.test", {"10.0.0.2", "2001:db8::1", "10.0.0.1"}, 77);
  std::optional<Answer> answer = asking.ask("web.test", RecordType::kA);
  REQUIRE(answer);
  CHECK(answer->result == LookupResult::kFound);
  CHECK(std::set<std::string>(answer->addresses.begin(), answer->addresses.end()) ==
        std::set<std::string>{"10.0.0.1", "10.0.0.2"});
  CHECK(answer->ttl_ms == 77'000);
  answer = asking.ask("WEB.test", RecordType::kAAAA);
  REQUIRE(answer);
  CHECK(answer->addresses == Strings{"2001:db8::1"});
}

TEST_CASE("services are found, in answers of any size") {
  Asking asking;
  asking.dns.set_truncating(true);
  std::vector<ServiceRecord> services;
  for (uint16_t i = 0; i < 100; ++i) services.push_back({i, i, 80, "target.of.the.record.test"});
  asking.dns.set_services("_web._tcp.test", services, 9);
  const std::optional<Answer> answer = asking.ask("_web._tcp.test", RecordType::kSRV);
  REQUIRE(answer);
  CHECK(answer->services == services);
  CHECK(answer->ttl_ms == 9'000);
  CHECK(asking.dns.asked_by_tcp() == 1);
}

TEST_CASE("what is not there is told apart from who does not say") {
  Asking asking;
  asking.dns.set_addresses("web.test", {"10.0.0.1"});
  for (const RecordType type : {RecordType::kA, RecordType::kAAAA, RecordType::kSRV}) {
    CHECK(asking.ask("no.test", type)->result == LookupResult::kNotFound);
  }
  CHECK(asking.ask("web.test", RecordType::kAAAA)->result == LookupResult::kNotFound);
  CHECK(asking.ask("web.test", RecordType::kSRV)->result == LookupResult::kNotFound);
  asking.dns.set_mode(Mode::kServfail);
  std::optional<Answer> answer = asking.ask("web.test", RecordType::kA);
  CHECK(answer->result == LookupResult::kFailed);
  CHECK_FALSE(answer->why.empty());
  asking.dns.set_mode(Mode::kSilent);
  answer = asking.ask("web.test", RecordType::kA);
  CHECK(answer->result == LookupResult::kTimeout);
}

TEST_CASE("servers of one's own are asked for a name as it is, whatever the system's search list") {
  // Both win over resolv.conf.
  ::setenv("LOCALDOMAIN", "search.test", 1);
  ::setenv("RES_OPTIONS", "ndots:5", 1);
  Asking asking;
  ::unsetenv("LOCALDOMAIN");
  ::unsetenv("RES_OPTIONS");
  asking.dns.set_addresses("web.test", {"10.0.0.1"});
  asking.dns.set_addresses("web.test.search.test", {"10.0.0.9"});
  CHECK(asking.ask("web.test", RecordType::kA)->addresses == Strings{"10.0.0.1"});
  CHECK(asking.ask("web.test.", RecordType::kA)->addresses == Strings{"10.0.0.1"});
  CHECK(asking.dns.asked("web.test") == 2);
  for (const RecordType type : {RecordType::kA, RecordType::kAAAA, RecordType::kSRV}) {
    CHECK(asking.ask("no.test", type)->result == LookupResult::kNotFound);
    CHECK(asking.ask("no.test.", type)->result == LookupResult::kNotFound);
  }
  CHECK(asking.dns.asked("no.test") == 6);
  CHECK(asking.dns.asked() == 8);
}

TEST_CASE("a server that is gone is left for the next") {
  Asking asking({test::ip_address("127.0.0.1", test::allocate_port())});
  asking.dns.set_addresses("web.test", {"10.0.0.1"});
  CHECK(asking.ask("web.test", RecordType::kA)->addresses == Strings{"10.0.0.1"});
}

TEST_CASE("a resolver that goes in the middle leaves nothing behind") {
  Asking asking;
  asking.dns.set_mode(Mode::kSilent);
  int answers = 0;
  for (int i = 0; i < 20; ++i) {
    asking.resolver->ask("n" + std::to_string(i) + ".test", RecordType::kA,
                         [&](const Answer&) { ++answers; });
  }
  const int asked = 20;
  const util::MonoTimeMs end_ms =
      util::mono_now_ms() + test::patience(std::chrono::seconds(10)).count();
  while (asking.dns.asked() < asked && util::mono_now_ms() < end_ms) {
    asking.engine->run_once(util::mono_now_ms() + 10);
  }
  CHECK(open_fds() > asking.fds_before);
  asking.close();
  CHECK(open_fds() == asking.fds_before);
  CHECK(answers == 0);
}

TEST_CASE("the system's way to look names up knows its hosts file") {
  auto made = event::make_engine(event::EngineKind::kEpoll, {});
  REQUIRE(made.ok());
  const std::unique_ptr<Resolver> resolver = make_cares_resolver(**made, {});
  REQUIRE(resolver != nullptr);
  for (const char* const name : {"localhost", "localhost."}) {
    std::optional<Answer> answer;
    resolver->ask(name, RecordType::kA, [&](const Answer& got) { answer = got; });
    CHECK_FALSE(answer);
    (*made)->run_once(util::mono_now_ms() + 10'000);
    REQUIRE(answer);
    CHECK(answer->addresses == Strings{"127.0.0.1"});
  }
}

}  // namespace
}  // namespace lb::control
