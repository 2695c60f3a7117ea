// The command line: commands, values, help, and what is refused.
#include "lb/control/options.h"

#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "test/support/catch.h"

namespace lb::control {
namespace {

// Keeps what the parser says away from the test's own output.
class Captured {
 public:
  explicit Captured(std::ostream& stream) : stream_(stream), old_(stream.rdbuf(text_.rdbuf())) {}
  ~Captured() { stream_.rdbuf(old_); }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;

  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::ostream& stream_;
  std::streambuf* old_;
};

struct Parsed {
  ParsedOptions result;
  std::string out;
  std::string err;
};

Parsed parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "sluice");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const Captured out(std::cout);
  const Captured err(std::cerr);
  Parsed parsed;
  parsed.result = parse_options(static_cast<int>(arguments.size()), argv.data());
  parsed.out = out.text();
  parsed.err = err.text();
  return parsed;
}

Options accepted(const std::vector<std::string>& arguments) {
  INFO(Catch::Detail::stringify(arguments));
  const Parsed parsed = parse(arguments);
  INFO(parsed.err);
  REQUIRE(parsed.result.options);
  CHECK(parsed.result.exit_status == 0);
  CHECK(parsed.out.empty());
  CHECK(parsed.err.empty());
  return *parsed.result.options;
}

// A usage fault: status 2, and a word about it on stderr.
void check_refused(const std::vector<std::string>& arguments) {
  INFO(Catch::Detail::stringify(arguments));
  const Parsed parsed = parse(arguments);
  CHECK(!parsed.result.options);
  CHECK(parsed.result.exit_status == 2);
  CHECK(parsed.out.empty());
  CHECK(!parsed.err.empty());
}

}  // namespace

TEST_CASE("options: each command, with what it means when nothing else is said") {
  const Options run = accepted({"run"});
  CHECK(run.command == Command::kRun);
  CHECK(run.config_path == "/etc/sluice/sluice.toml");
  CHECK(!run.engine);
  CHECK(!run.workers);
  const Options check = accepted({"check"});
  CHECK(check.command == Command::kCheck);
  CHECK(check.config_path == "/etc/sluice/sluice.toml");
  CHECK(!check.bind);
  CHECK(!check.strict);
  CHECK(accepted({"demo"}).command == Command::kDemo);
  const Options version = accepted({"version"});
  CHECK(version.command == Command::kVersion);
  CHECK(!version.json);
}

TEST_CASE("options: values and flags reach their command") {
  const Options run = accepted({"run", "--config", "a b.toml", "--engine=epoll", "--workers", "3"});
  CHECK(run.config_path == "a b.toml");
  CHECK(run.engine == config::EngineChoice::kEpoll);
  CHECK(run.workers == 3U);
  const Options check = accepted({"check", "--strict", "--config=x", "--bind"});
  CHECK(check.config_path == "x");
  CHECK(check.bind);
  CHECK(check.strict);
  const Options demo = accepted({"demo", "--engine", "io_uring", "--workers=1"});
  CHECK(demo.engine == config::EngineChoice::kIOUring);
  CHECK(demo.workers == 1U);
  CHECK(accepted({"version", "--json"}).json);
  const Options lookup = accepted({"lookup", "ns/s", "10.0.0.1", "--json", "--socket", "x"});
  CHECK(lookup.command == Command::kLookup);
  CHECK(lookup.service == "ns/s");
  CHECK(lookup.address == "10.0.0.1");
  CHECK(lookup.json);
  CHECK(lookup.socket_path == "x");
  check_refused({"lookup", "s"});
  check_refused({"lookup"});
}

TEST_CASE("options: the engines by name") {
  CHECK(accepted({"run", "--engine", "auto"}).engine == config::EngineChoice::kAuto);
  CHECK(accepted({"run", "--engine", "io_uring"}).engine == config::EngineChoice::kIOUring);
  CHECK(accepted({"run", "--engine", "epoll"}).engine == config::EngineChoice::kEpoll);
  for (const char* name :
       {"", "kqueue", "Epoll", "uring", "io-uring", "epoll ", "0", "1", "2", "7", "-1"}) {
    check_refused({"run", "--engine", name});
    check_refused({"demo", std::string("--engine=") + name});
  }
}

TEST_CASE("options: numbers of workers") {
  CHECK(accepted({"run", "--workers", "0"}).workers == 0U);
  CHECK(accepted({"run", "--workers", "1024"}).workers == 1024U);
  for (const char* number : {"1025", "-1", "x", "1.5", "", "4294967296", "4294967297", "2x"}) {
    check_refused({"run", "--workers", number});
    check_refused({"demo", std::string("--workers=") + number});
  }
}

TEST_CASE("options: bad usage") {
  check_refused({});
  check_refused({"frobnicate"});
  check_refused({"--config", "x"});
  check_refused({"--engine", "epoll", "run"});
  check_refused({"run", "check"});
  check_refused({"run", "extra"});
  check_refused({"run", "--frobnicate"});
  check_refused({"run", "--config"});
  check_refused({"run", "--engine"});
  check_refused({"run", "--workers"});
  check_refused({"run", "--bind"});
  check_refused({"run", "--json"});
  check_refused({"check", "--workers", "1"});
  check_refused({"check", "--strict=perhaps"});
  check_refused({"demo", "--config", "x"});
  check_refused({"version", "--bind"});
  check_refused({"run", "--workers", "1", "--workers", "2"});
}

TEST_CASE("options: help is on stdout and no failure") {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--help"},
                                                    {"-h"},
                                                    {"--help-all"},
                                                    {"run", "--help"},
                                                    {"check", "--help"},
                                                    {"demo", "--help"},
                                                    {"version", "--help"},
                                                    {"run", "-h"}}) {
    INFO(Catch::Detail::stringify(arguments));
    const Parsed parsed = parse(arguments);
    CHECK(!parsed.result.options);
    CHECK(parsed.result.exit_status == 0);
    CHECK(!parsed.out.empty());
    CHECK(parsed.err.empty());
  }
  const std::string all = parse({"--help"}).out;
  for (const char* command : {"run", "check", "demo", "version"}) {
    CHECK(all.find(command) != std::string::npos);
  }
  const std::string run = parse({"run", "--help"}).out;
  for (const char* option : {"--config", "--engine", "--workers", "/etc/sluice/sluice.toml"}) {
    CHECK(run.find(option) != std::string::npos);
  }
}

}  // namespace lb::control
