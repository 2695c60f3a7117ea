// Services that take endpoints from a file: every way in which the file changes while it is served,
// and that nothing is lost when it is broken.
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "test/blackbox/named_backend.h"
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

namespace fs = std::filesystem;
using nlohmann::json;

std::string line(const TcpBackend& backend, std::string_view more = "") {
  return backend.address().to_string() + std::string(more) + "\n";
}

// One worker, a listener "main" and a service "web" without endpoints of its own.
struct Served {
  explicit Served(const std::string& engine, const std::string& more_runtime = "")
      : runtime("workers = 1\n" + more_runtime), process(config(), engine) {}

  std::string config(const std::string& more = "") const { return config_with(file, more); }
  std::string config_with(const std::string& path, const std::string& more = "") const {
    return one_service(port, {}, "",
                       "endpointsFile = \"" + path + "\"\nloadBalancer.type = \"RoundRobin\"")
        .runtime(runtime)
        .append(more)
        .str();
  }
  // As a careful writer does it.
  void replace(std::string_view text) const { fs::rename(dir.write("e.new", text), file); }

  net::Address address() const { return ip_address("127.0.0.1", port); }
  Names backends() const { return names_of_backends(address()); }
  void wait_served_by(const Names& names) const { wait_names(address(), names, process); }

  std::string file_error() const {
    return status_of(process).at("services").at(0).at("endpointsFile").at("error");
  }
  // Waits for `count` reports of a file that is not taken.
  void wait_reports(int count) const {
    if (eventually([&] { return process.log().count("endpoints file not taken") == count; }))
      return;
    throw Failure("not reported:\n" + process.log().text());
  }

  std::string runtime;
  TempDir dir;
  TcpBackend a{says("a")};
  TcpBackend b{says("b")};
  TcpBackend c{says("c")};
  std::string file = dir.write("e", line(a));
  uint16_t port = allocate_port();
  SluiceProcess process;
};

}  // namespace

TEST_CASE("an endpoints file takes effect however it is changed, and no change is a reload") {
  Served served(SLUICE_EACH_ENGINE());
  served.wait_served_by({"a"});
  served.replace(line(served.b) + "# and\n" + line(served.c));
  served.wait_served_by({"b", "c"});
  CHECK(served.process.log().wait_for_line(
      R"(msg="endpoints changed" service=web added=2 removed=1 total=2)", std::chrono::seconds(5)));
  served.dir.write("e", line(served.c));
  served.wait_served_by({"c"});

  // As a mounted ConfigMap does it: one link of the path is moved.
  fs::create_directories(served.dir.path("v1"));
  fs::create_directories(served.dir.path("v2"));
  served.dir.write("v1/e", line(served.a));
  served.dir.write("v2/e", line(served.b));
  fs::create_symlink("v1", served.dir.path("data"));
  fs::create_symlink("data/e", served.dir.path("link"));
  fs::rename(served.dir.path("link"), served.file);
  served.wait_served_by({"a"});
  fs::create_symlink("v2", served.dir.path("data.new"));
  fs::rename(served.dir.path("data.new"), served.dir.path("data"));
  served.wait_served_by({"b"});
  served.dir.write("v2/e", line(served.c));
  served.wait_served_by({"c"});
  served.replace("# nobody\n");
  served.wait_served_by({"-"});
  CHECK(served.process.log().wait_for_line("no ready endpoint", std::chrono::seconds(5)));

  const json status = status_of(served.process);
  CHECK(status.at("generation") == 1);
  CHECK(status.at("services").at(0).at("endpointsFile").at("path") == served.file);
  CHECK(served.process.log().count("msg=reloaded") == 0);
  served.process.stop();
}

TEST_CASE("a file that is broken or gone changes nothing, and that is reported once") {
  Served served(SLUICE_EACH_ENGINE());
  served.replace(line(served.a) + "\n  web-1:80 weight=2\n");
  served.wait_reports(1);
  CHECK(served.process.log().wait_count("level=error", 1) == 1);
  const std::string place = served.file + ":3:3: an endpoint must be an IP address";
  CHECK(served.process.log().wait_count(place, 1) == 1);
  CHECK(served.file_error().starts_with(place));
  CHECK(command(served.process, {"status"}).out.find(place) != std::string::npos);
  CHECK(served.backends() == Names{"a"});

  served.replace(line(served.b) + line(served.b, " weight=2"));
  served.wait_reports(2);
  CHECK(served.file_error().starts_with(served.file + ":2:1: duplicate endpoint"));
  fs::remove(served.file);
  served.wait_reports(3);
  CHECK(served.file_error() == served.file + ": No such file or directory");
  served.dir.write("e", "");
  served.wait_reports(4);
  CHECK(served.backends() == Names{"a"});

  // As it was, and then something else.
  served.dir.write("e", line(served.a));
  CHECK(eventually([&] { return served.file_error().empty(); }));
  served.dir.write("e", line(served.b));
  served.wait_served_by({"b"});
  CHECK(served.process.log().wait_count("endpoints file not taken", 4) == 4);
  served.process.stop();
}

TEST_CASE(
    "a connection to an endpoint that is removed goes on, and one that stays keeps its count") {
  Served served(SLUICE_EACH_ENGINE());
  served.replace(line(served.a) + line(served.b));
  served.wait_served_by({"a", "b"});
  Socket first = Socket::connect(served.address());
  Socket second = Socket::connect(served.address());
  CHECK(Names{first.recv_exactly(1), second.recv_exactly(1)} == Names{"a", "b"});

  served.replace(line(served.b) + line(served.c, " weight=5"));
  served.wait_served_by({"b", "c"});
  expect_echo(first, "still here");
  expect_echo(second, "still here");
  CHECK(eventually([&] {
    const json endpoints = status_of(served.process).at("services").at(0).at("endpoints");
    return endpoints.size() == 2 && endpoints.at(0).at("active") == 1 &&
           endpoints.at(1).at("active") == 0 && endpoints.at(1).at("weight") == 5;
  }));
  first.close();
  second.close();
  served.process.stop();
}

TEST_CASE("a file is followed while a drain is announced") {
  Served served(SLUICE_EACH_ENGINE(), "announceGrace = \"1h\"");
  served.process.send_signal(SIGTERM);
  REQUIRE(served.process.log().wait_for_line("msg=draining", std::chrono::seconds(10)));
  served.replace(line(served.b));
  served.wait_served_by({"b"});
  served.process.send_signal(SIGTERM);
  CHECK(served.process.wait_exit() == 0);
}

TEST_CASE("weights in the file take effect") {
  Served served(SLUICE_EACH_ENGINE());
  served.replace(line(served.a, " weight=3") + line(served.b) + line(served.c, " weight=0"));
  served.wait_served_by({"a", "b"});
  int of_a = 0;
  for (int i = 0; i < 40; ++i) {
    of_a += name_of_backend(served.address()) == "a" ? 1 : 0;
  }
  // Smooth within the one worker, which makes up for what one was ahead before the change.
  CHECK(std::abs(of_a - 30) <= 1);
  served.replace(line(served.a) + line(served.b, " weight=3"));
  CHECK(served.process.log().wait_for_line("added=0 removed=1 total=2", std::chrono::seconds(5)));
  of_a = 0;
  for (int i = 0; i < 40; ++i) {
    of_a += name_of_backend(served.address()) == "a" ? 1 : 0;
  }
  CHECK(std::abs(of_a - 10) <= 1);
  served.process.stop();
}

TEST_CASE("whatever changes in the file is reported") {
  Served served(SLUICE_EACH_ENGINE());
  int reports = 0;
  for (const char* const more :
       {" weight=2", " weight=2 priority=1", " weight=2 priority=1 maxConnections=9"}) {
    served.replace(line(served.a, more));
    ++reports;
    INFO(more);
    CHECK(eventually([&] {
      return served.process.log().count(
                 R"(msg="endpoints changed" service=web added=0 removed=0 total=1)") == reports;
    }));
  }
  served.process.stop();
}

TEST_CASE("a reload with a broken endpoints file takes in the rest, and follows a new path") {
  Served served(SLUICE_EACH_ENGINE());
  served.dir.write("e", "bad\n");
  served.wait_reports(1);
  const std::string more = "\n[[services]]\nname = \"unused\"\nports = [{ port = 1 }]\n";
  served.process.write_config(served.config(more));
  CHECK(command(served.process, {"reload", "--wait"}).code == 0);
  CHECK(status_of(served.process).at("generation") == 2);
  CHECK(status_of(served.process).at("services").size() == 2);
  CHECK(served.file_error().starts_with(served.file + ":1:1: "));
  CHECK(served.backends() == Names{"a"});
  CHECK(served.process.log().wait_count("code=W0319", 1) == 1);
  served.dir.write("e", line(served.b));
  served.wait_served_by({"b"});

  // A file that was not served from before must be sound.
  const std::string other = served.dir.write("other", "bad\n");
  served.process.write_config(served.config_with(other));
  const CommandResult refused = command(served.process, {"reload", "--wait"});
  CHECK(refused.code != 0);
  CHECK(refused.err.find(other + ":1:1: error[E0116]") != std::string::npos);
  CHECK(served.backends() == Names{"b"});
  served.dir.write("other", line(served.c));
  CHECK(command(served.process, {"reload", "--wait"}).code == 0);
  CHECK(served.backends() == Names{"c"});
  served.dir.write("e", line(served.a));
  served.dir.write("other", line(served.b) + line(served.c));
  served.wait_served_by({"b", "c"});
  served.process.stop();
}

TEST_CASE("of many quick changes, among reloads, the last one stays") {
  Served served(SLUICE_EACH_ENGINE());
  for (int i = 0; i < 300; ++i) {
    served.replace(i % 7 == 0 ? "bad\n" : line(i % 2 == 0 ? served.a : served.b));
    if (i % 10 == 0) served.process.send_signal(SIGHUP);
    CHECK(name_of_backend(served.address()) != "-");
  }
  served.replace(line(served.c));
  served.wait_served_by({"c"});
  CHECK(served.file_error().empty());
  served.process.stop();
}

TEST_CASE("a file that is not there yet keeps nothing from starting, and a broken one does") {
  const std::string engine = SLUICE_EACH_ENGINE();
  Served served(engine);
  const std::string later = served.dir.path("later") + "/e";
  const uint16_t port = allocate_port();
  std::string config = served.config_with(later);
  const std::string old_port = "port = " + std::to_string(served.port);
  config.replace(config.find(old_port), old_port.size(), "port = " + std::to_string(port));
  SluiceProcess process(config, engine);
  CHECK(process.log().wait_count("code=W0319", 1) == 1);
  CHECK(name_of_backend(ip_address("127.0.0.1", port)) == "-");
  fs::create_directories(served.dir.path("later"));
  served.dir.write("later/e", line(served.a));
  CHECK(eventually([&] { return name_of_backend(ip_address("127.0.0.1", port)) == "a"; }));
  process.stop();

  served.dir.write("later/e", "10.0.0.1:80\n10.0.0.1:99999\n");
  const CommandResult check = run_sluice({"check", "--config", served.dir.write("c.toml", config)});
  CHECK(check.code == 2);
  CHECK(check.err.find(later + ":2:10: error[E0110]: port must be within 1..65535") !=
        std::string::npos);
  served.process.stop();
}

}  // namespace lb::test
