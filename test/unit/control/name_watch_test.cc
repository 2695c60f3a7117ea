// The names of a configuration against a resolver that says what the test wants.
#include "lb/control/dns/name_watch.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "lb/event/engine_factory.h"
#include "test/support/catch.h"
#include "test/support/scale.h"
#include "test/unit/util/log_lines.h"

namespace lb::control {
namespace {

using Strings = std::vector<std::string>;

Answer found(Strings addresses, int64_t ttl_ms = 3'600'000) {
  Answer answer;
  answer.result = LookupResult::kFound;
  answer.addresses = std::move(addresses);
  answer.ttl_ms = ttl_ms;
  return answer;
}

Answer found(std::vector<ServiceRecord> services, int64_t ttl_ms = 3'600'000) {
  Answer answer = found(Strings(), ttl_ms);
  answer.services = std::move(services);
  return answer;
}

Answer none(LookupResult result) {
  Answer answer;
  answer.result = result;
  answer.why = "why not";
  return answer;
}

const Answer kNone = none(LookupResult::kNotFound);
const Answer kTimeout = none(LookupResult::kTimeout);

// What has been asked for and not answered yet.
struct Questions {
  struct Question {
    std::string name;
    RecordType type;
    Resolver::OnAnswer on_answer;
  };
  std::deque<Question> open;
  size_t most = 0;
  std::vector<std::vector<net::Address>> resolvers;  // the servers of each that was made
};

class FakeResolver final : public Resolver {
 public:
  explicit FakeResolver(Questions& questions) : questions_(questions) {}
  ~FakeResolver() override { questions_.open.clear(); }
  void ask(const std::string& name, RecordType type, OnAnswer on_answer) override {
    questions_.open.push_back({name, type, std::move(on_answer)});
    questions_.most = std::max(questions_.most, questions_.open.size());
  }

 private:
  Questions& questions_;
};

// A service "web" with these names; those that begin with "_" are of SRV records.
config::Config config_of(const Strings& names, int64_t refresh_ms = 0) {
  config::Service service;
  service.name.name = "web";
  service.ports.emplace_back();
  service.ports[0].port = service.ports[0].target_port = 80;
  service.policy.dns = {.refresh_ms = refresh_ms, .min_ttl_ms = 100, .max_ttl_ms = 3'600'000};
  for (const std::string& name : names) {
    config::Endpoint endpoint;
    endpoint.hostname = name;
    endpoint.srv = name.starts_with('_');
    service.endpoints.push_back(std::move(endpoint));
  }
  config::Config config;
  config.services.push_back(std::move(service));
  return config;
}

struct Watching {
  explicit Watching(bool has_ipv6 = true) {
    auto made = event::make_engine(event::EngineKind::kEpoll, {});
    REQUIRE(made.ok());
    engine = *std::move(made);
    watch = std::make_unique<NameWatch>(
        *engine, *log, 1,
        NameWatch::Hooks{.make_resolver =
                             [this](const std::vector<net::Address>& servers) {
                               questions.resolvers.push_back(servers);
                               return std::make_unique<FakeResolver>(questions);
                             },
                         .on_change = [this] { ++changes; },
                         .has_ipv6 = has_ipv6});
  }
  // What was logged, once it is over.
  std::string finish() {
    watch.reset();
    log.reset();
    sink.reset();
    pipe.writer.reset();
    return test::read_to_end(pipe.reader.get());
  }

  // Turns the loop until something is so.
  template <typename Condition>
  bool until(const Condition& condition) {
    const util::MonoTimeMs end_ms =
        util::mono_now_ms() + test::patience(std::chrono::seconds(10)).count();
    while (!condition() && util::mono_now_ms() < end_ms) {
      engine->run_once(util::mono_now_ms() + 20);
    }
    return condition();
  }
  void turn() {
    for (int i = 0; i < 5; ++i) engine->run_once(util::mono_now_ms() + 2);
  }

  // Answers the one open question of this name and type, waiting for it.
  void answer(const std::string& name, RecordType type, const Answer& what) {
    const auto is_it = [&](const Questions::Question& question) {
      return question.name == name && question.type == type;
    };
    const auto find = [&] {
      return std::find_if(questions.open.begin(), questions.open.end(), is_it);
    };
    INFO(name);
    REQUIRE(until([&] { return find() != questions.open.end(); }));
    const Questions::Question question = *find();
    questions.open.erase(find());
    question.on_answer(what);
    turn();
  }
  void answer(const std::string& name, const Answer& a, const Answer& aaaa) {
    answer(name, RecordType::kA, a);
    answer(name, RecordType::kAAAA, aaaa);
  }

  void look_up(const config::Config& config, int64_t max_wait_ms = 600'000) {
    is_done = false;
    watch->look_up(config, max_wait_ms, [this] { is_done = true; });
  }
  // A configuration that was waited for and is served.
  void serve(const config::Config& config) {
    look_up(config);
    watch->follow(config);
  }

  // What the names come to: "10.0.0.1", or "10.0.0.1:80*2^1" for SRV records.
  Strings endpoints(config::Config config) const {
    watch->resolve(config);
    Strings out;
    for (const config::Endpoint& endpoint : config.services[0].endpoints) {
      std::string text = endpoint.address;
      if (endpoint.srv && !text.empty()) {
        text += ":" + std::to_string(endpoint.port) + "*" + std::to_string(endpoint.weight) + "^" +
                std::to_string(endpoint.priority);
      }
      out.push_back(text);
    }
    return out;
  }

  test::Pipe pipe;
  std::unique_ptr<util::LogSink> sink =
      std::make_unique<util::LogSink>(pipe.writer.get(), util::RecordFormat::kLogfmt);
  std::unique_ptr<util::Log> log =
      std::make_unique<util::Log>(*sink, util::LogLevel::kInfo, util::RecordFormat::kLogfmt);
  std::unique_ptr<event::Engine> engine;
  Questions questions;
  int changes = 0;
  bool is_done = false;
  std::unique_ptr<NameWatch> watch;
};

TEST_CASE("a name is waited for until both of its families have been asked for") {
  Watching watching;
  const config::Config config = config_of({"A.test"});
  watching.look_up(config);
  CHECK_FALSE(watching.is_done);
  watching.answer("a.test", RecordType::kA, found(Strings{"10.0.0.2", "10.0.0.1", "10.0.0.2"}));
  CHECK_FALSE(watching.is_done);
  // What is there is not held back.
  CHECK(watching.endpoints(config) == Strings{"10.0.0.1", "10.0.0.2"});
  CHECK(watching.changes == 1);
  watching.answer("a.test", RecordType::kAAAA, found(Strings{"::1"}));
  CHECK(watching.is_done);
  CHECK(watching.endpoints(config) == Strings{"10.0.0.1", "10.0.0.2", "::1"});
  CHECK(watching.changes == 2);
  CHECK(watching.watch->figures().resolved == 1);
  CHECK(watching.watch->figures().lookups[static_cast<size_t>(LookupResult::kFound)] == 2);
}

TEST_CASE("a wait is over when its time is, and at once without new names") {
  Watching watching;
  const config::Config config = config_of({"a.test"});
  watching.look_up(config, 30);
  CHECK(watching.until([&] { return watching.is_done; }));
  watching.watch->follow(config);
  watching.look_up(config, 600'000);
  CHECK(watching.is_done);
  watching.look_up(config_of({}), 600'000);
  CHECK(watching.is_done);
  // It is late, and welcome.
  watching.answer("a.test", found(Strings{"10.0.0.1"}), kNone);
  CHECK(watching.endpoints(config) == Strings{"10.0.0.1"});
}

TEST_CASE("the last answer is kept when there is none, and that is reported once") {
  Watching watching;
  const config::Config config = config_of({"a.test"}, 20);
  watching.serve(config);
  watching.answer("a.test", found(Strings{"10.0.0.1"}), found(Strings{"::1"}));
  const int changes = watching.changes;
  for (const Answer& bad : {kNone, kTimeout, none(LookupResult::kFailed)}) {
    watching.answer("a.test", bad, bad);
    CHECK(watching.endpoints(config) == Strings{"10.0.0.1", "::1"});
    CHECK(watching.watch->figures().stale == 1);
    // The next attempt is a second away, or more.
    watching.watch->note_failure("web");
  }
  CHECK(watching.changes == changes);
  watching.answer("a.test", found(Strings{"10.0.0.2"}), kNone);
  CHECK(watching.endpoints(config) == Strings{"10.0.0.2"});
  CHECK(watching.watch->figures().stale == 0);
  const std::vector<std::string> lines = test::split_lines(watching.finish());
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].find("name not resolved, the last answer is kept") != std::string::npos);
  CHECK(lines[0].find("name=a.test why=\"why not\"") != std::string::npos);
  CHECK(lines[1].find("name resolved again") != std::string::npos);
}

TEST_CASE("one family that cannot be had does not take the other away") {
  Watching watching;
  const config::Config config = config_of({"a.test"}, 20);
  watching.serve(config);
  // That never had an address is no failure: many servers answer nothing but A.
  watching.answer("a.test", found(Strings{"10.0.0.1"}), kTimeout);
  CHECK(watching.watch->figures().resolved == 1);
  watching.answer("a.test", found(Strings{"10.0.0.1"}), found(Strings{"::1"}));
  watching.answer("a.test", found(Strings{"10.0.0.2"}), kTimeout);
  CHECK(watching.endpoints(config) == Strings{"10.0.0.2", "::1"});
  CHECK(watching.watch->figures().stale == 1);
  watching.answer("a.test", kNone, found(Strings{"::2"}));
  CHECK(watching.endpoints(config) == Strings{"::2"});
}

TEST_CASE("a host without IPv6 asks for IPv4 alone, and that is all there is to fail") {
  Watching watching(false);
  const config::Config config = config_of({"a.test"}, 20);
  watching.serve(config);
  watching.answer("a.test", RecordType::kA, found(Strings{"10.0.0.1"}));
  CHECK(watching.is_done);
  CHECK(watching.endpoints(config) == Strings{"10.0.0.1"});
  watching.answer("a.test", RecordType::kA, kTimeout);
  CHECK(watching.questions.open.empty());
  CHECK(watching.watch->figures().stale == 1);
  CHECK(watching.finish().find("name=a.test why=\"why not\"") != std::string::npos);
}

TEST_CASE("a name has so many endpoints and no more, and so many lookups at once") {
  Watching watching;
  Strings names;
  for (int i = 0; i < 300; ++i) names.push_back("n" + std::to_string(i) + ".test");
  const config::Config config = config_of(names);
  watching.look_up(config);
  Strings many;
  for (int i = 0; i < 300; ++i) {
    many.push_back("10.0." + std::to_string(i / 200) + "." + std::to_string(100 + i % 200 % 100));
    many.push_back("10.1." + std::to_string(i / 200) + "." + std::to_string(i % 200));
  }
  while (!watching.questions.open.empty()) {
    const Questions::Question question = watching.questions.open.front();
    watching.questions.open.pop_front();
    question.on_answer(question.type == RecordType::kA && question.name == "n7.test" ? found(many)
                                                                                     : kNone);
  }
  CHECK(watching.questions.most <= NameWatch::kMaxLookups + 1);
  watching.turn();
  CHECK(watching.is_done);
  CHECK(watching.endpoints(config).size() == 299 + kMaxEndpointsPerName);
}

TEST_CASE("SRV records are what their targets come to") {
  Watching watching;
  const config::Config config = config_of({"_pg._tcp.test"}, 20);  // whose targets are absolute
  watching.serve(config);
  watching.answer("_pg._tcp.test", RecordType::kSRV,
                  found(std::vector<ServiceRecord>{
                      {20, 5, 5433, "b.test"}, {10, 0, 5432, "A.test"}, {10, 3, 5434, "b.test"}}));
  CHECK_FALSE(watching.is_done);
  watching.answer("a.test.", found(Strings{"10.0.0.1"}), kNone);
  CHECK(watching.endpoints(config) == Strings{""});
  watching.answer("b.test.", found(Strings{"10.0.0.2"}), kNone);
  CHECK(watching.is_done);
  CHECK(watching.endpoints(config) ==
        Strings{"10.0.0.1:5432*1^0", "10.0.0.2:5434*3^0", "10.0.0.2:5433*5^1"});

  // Others take effect once there is somewhere to go.
  watching.answer("_pg._tcp.test", RecordType::kSRV,
                  found(std::vector<ServiceRecord>{{1, 1, 1, "c.test"}}));
  CHECK(watching.endpoints(config).size() == 3);
  watching.answer("c.test.", kNone, kTimeout);
  CHECK(watching.endpoints(config).size() == 3);
  watching.watch->note_failure("web");
  watching.answer("c.test.", found(Strings{"10.0.0.3"}), kNone);
  CHECK(watching.endpoints(config) == Strings{"10.0.0.3:1*1^0"});
  CHECK(watching.watch->figures().resolved == 2);  // the targets of before are not asked for
}

TEST_CASE("a target is not the endpoint of the same name, and shown as the record has it") {
  Watching watching;
  const config::Config config = config_of({"a.test", "_pg._tcp.test"});
  watching.serve(config);
  watching.answer("_pg._tcp.test", RecordType::kSRV,
                  found(std::vector<ServiceRecord>{{1, 1, 5432, "a.test"}}));
  watching.answer("a.test", found(Strings{"10.0.0.9"}), kNone);
  watching.answer("a.test.", kNone, kNone);
  CHECK(watching.endpoints(config) == Strings{"10.0.0.9", ""});
  CHECK(watching.is_done);
  watching.watch->note_failure("web");
  watching.answer("a.test.", found(Strings{"10.0.0.1"}), kNone);
  CHECK(watching.endpoints(config) == Strings{"10.0.0.9", "10.0.0.1:5432*1^0"});
  CHECK(watching.finish().find("name=a.test why=") != std::string::npos);
}

TEST_CASE("names that are gone are forgotten, and those that stay keep what is known") {
  Watching watching;
  watching.serve(config_of({"a.test", "b.test"}));
  watching.answer("a.test", found(Strings{"10.0.0.1"}), kNone);
  watching.answer("b.test", found(Strings{"10.0.0.2"}), kNone);
  watching.serve(config_of({"b.test", "c.test"}));
  CHECK_FALSE(watching.is_done);
  CHECK(watching.endpoints(config_of({"a.test", "b.test"})) == Strings{"", "10.0.0.2"});
  // A configuration that is not served in the end.
  watching.answer("c.test", found(Strings{"10.0.0.3"}), kNone);
  CHECK(watching.is_done);
  watching.look_up(config_of({"d.test"}));
  watching.watch->follow(config_of({"b.test", "c.test"}));
  watching.turn();
  CHECK(watching.is_done);
  CHECK(watching.endpoints(config_of({"b.test", "c.test", "d.test"})) ==
        Strings{"10.0.0.2", "10.0.0.3", ""});
  watching.watch->follow(config_of({}));
  CHECK_FALSE(watching.watch->is_watching());
}

TEST_CASE("other servers are asked again for what was under way") {
  Watching watching;
  config::Config config = config_of({"a.test", "b.test"});
  config.dns.servers = {*net::Address::parse("127.0.0.1", 5353)};
  watching.serve(config);
  watching.answer("a.test", found(Strings{"10.0.0.1"}), kNone);
  CHECK(watching.questions.resolvers.size() == 1);
  watching.serve(config);
  CHECK(watching.questions.resolvers.size() == 1);
  config.dns.servers = {*net::Address::parse("127.0.0.2", 5353)};
  watching.serve(config);
  CHECK(watching.questions.resolvers.back() == config.dns.servers);
  watching.answer("b.test", found(Strings{"10.0.0.2"}), kNone);
  CHECK(watching.endpoints(config) == Strings{"10.0.0.1", "10.0.0.2"});
  // The system's may have changed without anybody saying so.
  config.dns.servers.clear();
  watching.serve(config);
  watching.serve(config);
  CHECK(watching.questions.resolvers.size() == 4);
}

TEST_CASE("who fails to connect has the name asked for again before its time, once a second") {
  Watching watching;
  const util::MonoTimeMs asked_ms = watching.engine->now_ms();
  watching.serve(config_of({"a.test"}));
  watching.answer("a.test", found(Strings{"10.0.0.1"}), kNone);
  watching.watch->note_failure("other");
  for (int i = 0; i < 100; ++i) watching.watch->note_failure("web");
  CHECK(watching.questions.open.empty());
  watching.answer("a.test", found(Strings{"10.0.0.2"}), kNone);
  CHECK(util::mono_now_ms() - asked_ms >= DNSSchedule::kHurrySpacingMs);
  CHECK(watching.watch->figures().lookups[static_cast<size_t>(LookupResult::kFound)] == 2);
}

}  // namespace
}  // namespace lb::control
