// Reloads that fail change nothing, say why in every place, and leave nothing behind.
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/port_allocator.h"
#include "test/support/process_stats.h"
#include "test/support/scale.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

using Catch::Contains;

constexpr std::string_view kRefused = "msg=\"reload refused\"";

// A file that is refused, with the lines of its faults (0 = of the file as such) and a word of the
// reason.
struct Bad {
  std::string what;
  std::string text;
  std::vector<int> lines;
  std::string why;
};

std::string garbage(size_t size_bytes) {
  std::string text(size_bytes, '\0');
  ByteStream stream(1);
  stream.fill(std::as_writable_bytes(std::span(text)));
  text[0] = '\0';  // no text, from its first line on
  return text;
}

std::vector<Bad> bad_files() {
  return {
      {"syntax error", "[[gateways]\n", {1}, ""},
      {"duplicate key", "[runtime]\nworkers = 1\nworkers = 2\n", {3}, "workers"},
      {"unknown keys",
       "[[gateways]]\nname = 'gw'\nlistners = []\nadresses = []\n",
       {1, 3, 4},
       "listeners"},
      {"bad address",
       "[[gateways]]\nname = 'gw'\naddresses = [{ value = '300.1.1.1' }]\n"
       "listeners = [{ name = 'main', port = 1, protocol = 'TCP' }]\n",
       {3},
       "300.1.1.1"},
      {"bad endpoint",
       "[[gateways]]\nname = 'gw'\nlisteners = [{ name = 'main', port = 1, protocol = 'TCP' }]\n"
       "[[services]]\nname = 'web'\nports = [{ port = 80 }]\n"
       "endpoints = [\n  { address = '10.0.0.256' },\n]\n",
       {8},
       "10.0.0.256"},
      {"empty file", "", {1}, "serves nothing"},
      {"10 MB of garbage", garbage(10 << 20), {1}, ""},
  };
}

// The lines of the log about faults at these places, each one once and no others.
void check_fault_lines(const SluiceProcess& process, const Bad& bad, size_t lines_before) {
  std::vector<std::string> faults;
  const std::vector<std::string> log = process.log().lines();
  for (size_t i = lines_before; i < log.size(); ++i) {
    if (log[i].find("msg=configuration") != std::string::npos) faults.push_back(log[i]);
  }
  INFO(process.log().text().substr(0, 4000));
  REQUIRE(faults.size() == bad.lines.size());
  for (size_t i = 0; i < faults.size(); ++i) {
    CHECK_THAT(faults[i], Contains("level=error"));
    const std::string line = bad.lines[i] == 0 ? " " : fmt::format(":{}:", bad.lines[i]);
    CHECK_THAT(faults[i], Contains("at=" + process.config_path() + line));
  }
}

std::string metrics_of(const SluiceProcess& process) {
  return run_command({.argv = {"curl", "-sS", "--max-time", "60", "--unix-socket",
                               process.control_socket(), "http://sluice/metrics"}})
      .out;
}

void check_refused(Balancer& balancer, Socket& held, const Bad& bad) {
  const SluiceProcess& process = balancer.process();
  const size_t lines_before = process.log().lines().size();
  const int refused_before = process.log().count(kRefused);
  const CommandResult reload = process.command({"reload", "--wait"});
  CHECK(reload.code == 1);
  CHECK_THAT(reload.err, Contains(bad.why) && Contains(process.config_path()));
  CHECK(eventually([&] { return process.log().count(kRefused) == refused_before + 1; }));
  check_fault_lines(process, bad, lines_before);
  CHECK_THAT(metrics_of(process), Contains("\nsluice_config_last_reload_successful 0\n") &&
                                      Contains("\nsluice_config_generation 1\n"));
  CHECK_THAT(process.command({"status"}).out, Contains("the last reload was refused: "));
  CHECK_NOTHROW(expect_echo(held, "still here"));
  CHECK(served(balancer.address()));
}

void check_recovers(Balancer& balancer, const std::string& good) {
  const SluiceProcess& process = balancer.process();
  process.write_config(good);
  CHECK(process.command({"reload", "--wait"}).code == 0);
  CHECK_THAT(metrics_of(process), Contains("\nsluice_config_last_reload_successful 1\n") &&
                                      Contains("\nsluice_config_generation 2\n"));
  CHECK_THAT(process.command({"status"}).out, !Contains("refused"));
  CHECK(served(balancer.address()));
}

}  // namespace

TEST_CASE("a reload of a bad file changes nothing and is reported in every place") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()});
  const std::string good = one_service(balancer.address().port(), {backend.address()}).str();
  Socket held = balancer.connect_echo();
  for (const Bad& bad : bad_files()) {
    INFO(bad.what);
    balancer.process().write_verbatim(bad.text);
    check_refused(balancer, held, bad);
  }
  const std::string path = balancer.process().config_path();
  std::filesystem::remove(path);
  check_refused(balancer, held, {"no file", "", {0}, "No such file"});
  std::filesystem::create_directory(path);
  check_refused(balancer, held, {"a folder", "", {0}, "Is a directory"});
  std::filesystem::remove(path);
  check_recovers(balancer, good);
  held.close();
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("a reload of a file that may not be read changes nothing") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  SluiceOptions nobody;
  nobody.before_exec = [] {
    constexpr uid_t kNobody = 65534;
    if (::getuid() != 0) return;
    if (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) {
      ::_exit(126);
    }
  };
  Balancer balancer(engine, {backend.address()}, {.process = nobody});
  REQUIRE(::chmod(balancer.process().config_path().c_str(), 0) == 0);
  balancer.process().send_signal(SIGHUP);
  const LineLog& log = balancer.process().log();
  CHECK(log.wait_for_line(kRefused, std::chrono::seconds(5)));
  CHECK(log.count("Permission denied") >= 1);
  CHECK(served(balancer.address()));
  REQUIRE(::chmod(balancer.process().config_path().c_str(), 0644) == 0);
  balancer.process().send_signal(SIGHUP);
  CHECK(log.wait_for_line("msg=reloaded", std::chrono::seconds(5)));
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("refused reloads leave no memory behind") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()},
                    {.process = {.environment = {{"MALLOC_PERTURB_", "0"}}}});
  const SluiceProcess& process = balancer.process();
  std::vector<Bad> files = bad_files();
  files.back().text.resize(1 << 20);
  int refused = 0;
  const auto reload_badly = [&](uint64_t times) {
    for (uint64_t i = 0; i < times; ++i) {
      process.write_verbatim(files[i % files.size()].text);
      process.send_signal(SIGHUP);
      ++refused;
      REQUIRE(eventually([&] { return process.log().count(kRefused) == refused; }));
    }
  };
  reload_badly(scaled(30, 10));
  const uint64_t early_bytes = private_dirty_bytes(process.pid());
  reload_badly(scaled(100, 10));
  const uint64_t late_bytes = private_dirty_bytes(process.pid());
  INFO(early_bytes << " bytes, then " << late_bytes);
  if (!is_sanitized()) CHECK(late_bytes * 100 <= early_bytes * 102);
  CHECK(served(balancer.address()));
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("a reload to a port that is in use loads, reports it and serves the rest") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()});
  const SluiceProcess& process = balancer.process();
  const net::Address taken = ip_address("127.0.0.1", allocate_port());
  net::UniqueFd other = listen_on(taken);
  ConfigText config;
  config.listener("main", balancer.address().port())
      .listener("second", taken.port())
      .service("web", {backend.address()})
      .route("main", {{.service = "web"}})
      .route("second", {{.service = "web"}});
  Socket held = balancer.connect_echo();
  process.write_config(config.str());
  CHECK(process.command({"reload", "--wait"}).code == 0);
  CHECK(process.log().wait_for_line("msg=\"listener not bound\"", std::chrono::seconds(5)));
  CHECK_THAT(process.command({"status"}).out, Contains("PortUnavailable"));
  CHECK(served(balancer.address()));
  other.reset();
  CHECK(process.command({"reload", "--wait"}).code == 0);
  CHECK_THAT(process.command({"status"}).out, !Contains("PortUnavailable"));
  CHECK(served(taken));
  CHECK(served(balancer.address()));
  CHECK_NOTHROW(expect_echo(held, "still here"));
}

}  // namespace lb::test
