// Passive ejection: an endpoint that connections cannot be made to gets none for a while, and a
// client notices nothing of it.
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "test/support/admin_client.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/port_allocator.h"
#include "test/support/seccomp_filter.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

using std::chrono::seconds;

std::string passive(std::string_view keys) {
  return fmt::format("loadBalancer.type = \"RoundRobin\"\nhealthCheck.passive = {{ {} }}", keys);
}

net::Address dead_address() { return ip_address("127.0.0.1", allocate_port()); }

double failures(const SluiceProcess& process, const net::Address& endpoint,
                std::string_view reason = "connect_refused") {
  const auto metrics = metrics_of(process);
  const auto found = metrics.find(
      fmt::format("sluice_connect_failures_total{{service=\"web\",endpoint=\"{}\",reason=\"{}\"}}",
                  endpoint.to_string(), reason));
  return found == metrics.end() ? 0 : found->second;
}

// Clients come, and all are served, until the log has `count` lines with `part`.
void serve_until(const Balancer& balancer, std::string_view part, int count = 1) {
  const bool is_so = eventually(
      [&] {
        REQUIRE(served(balancer.address()));
        return balancer.process().log().count(part) >= count;
      },
      seconds(30));
  INFO(balancer.process().log().text());
  REQUIRE(is_so);
}

void serve(const Balancer& balancer, int count) {
  for (int i = 0; i < count; ++i) REQUIRE(served(balancer.address()));
}

// When the process wrote it, in milliseconds of its day; lines of one test are less than an hour
// apart.
int64_t logged_ms(const std::string& line) {
  const auto fields = parse_logfmt(line);
  REQUIRE(fields);
  const std::string& ts = fields->at("ts");  // 2026-01-02T03:04:05.678...Z
  const std::string clock = ts.substr(ts.find('T') + 1);
  return ((std::stoll(clock.substr(0, 2)) * 60 + std::stoll(clock.substr(3, 2))) * 60 +
          std::stoll(clock.substr(6, 2))) *
             1000 +
         std::stoll(clock.substr(9, 3));
}

std::vector<std::string> lines_with(const SluiceProcess& process, std::string_view part) {
  std::vector<std::string> found;
  for (const std::string& line : process.log().lines()) {
    if (line.find(part) != std::string::npos) found.push_back(line);
  }
  return found;
}

}  // namespace

TEST_CASE("a dead endpoint of three costs clients nothing, and gets no attempts once it is known") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend a(echo);
  TcpBackend b(echo);
  const net::Address dead = dead_address();
  Balancer balancer(engine, {a.address(), dead, b.address()},
                    {.service = passive("consecutiveConnectFailures = 3, maxEjectionTime = \"1h\", "
                                        "baseEjectionTime = \"1h\"")});
  SluiceProcess& process = balancer.process();
  serve_until(balancer, "endpoint down");
  CHECK(process.log().count(
            fmt::format("service=web endpoint={} why=\"3 connects failed in a row; ejected for "
                        "3600000 ms\"",
                        dead.to_string())) == 1);
  const double attempts = failures(process, dead);
  CHECK(attempts >= 3);
  serve(balancer, 30);
  CHECK(failures(process, dead) == attempts);

  // Nor after a reload; an operator may know better.
  CHECK(process.command({"reload"}).code == 0);
  serve(balancer, 30);
  CHECK(failures(process, dead) == attempts);
  CHECK(process.log().count("endpoint up") == 0);
  CHECK(process.command({"endpoint", "web", dead.to_string(), "ready"}).code == 0);
  CHECK(process.log().wait_for_line("endpoint up", seconds(5)));
  serve_until(balancer, "endpoint down", 2);
  CHECK(failures(process, dead) > attempts);
  CHECK_NOTHROW(process.stop());
}

TEST_CASE("each ejection in a row is longer, up to the ceiling, and none is shorter than it says") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend alive(echo);
  Balancer balancer(engine, {alive.address(), dead_address()},
                    {.service = passive("consecutiveConnectFailures = 1, maxEjectionTime = "
                                        "\"900ms\", baseEjectionTime = \"400ms\"")});
  SluiceProcess& process = balancer.process();
  serve_until(balancer, "endpoint up", 4);
  const std::vector<std::string> down = lines_with(process, "endpoint down");
  const std::vector<std::string> up = lines_with(process, "endpoint up");
  REQUIRE(down.size() >= 4);
  int64_t row = 1;
  for (size_t i = 0; i < 4; ++i) {
    INFO(process.log().text());
    const int64_t duration_ms = std::stoll(down[i].substr(down[i].find("ejected for ") + 12));
    CHECK(duration_ms == std::min<int64_t>(row * 400, 900));
    // Both are cut to milliseconds, and the timer counts whole ones.
    CHECK(logged_ms(up[i]) - logged_ms(down[i]) >= duration_ms - 2);
    CHECK(up[i].find("its ejection is over") != std::string::npos);
    if (i == 3) break;
    // On a slow machine a row gets shorter before it grows.
    const int64_t spared_ms = logged_ms(down[i + 1]) - logged_ms(up[i]);
    if (spared_ms % 400 < 3 || spared_ms % 400 > 397) break;
    row = std::min<int64_t>(std::max<int64_t>(row - spared_ms / 400, 0) + 1, 3);
  }
  CHECK_NOTHROW(process.stop());
}

TEST_CASE("endpoints are never all ejected, so the first that comes back is found at once") {
  const auto engine = SLUICE_EACH_ENGINE();
  const net::Address first = dead_address();
  const net::Address second = dead_address();
  Balancer balancer(engine, {first, second},
                    {.service = passive("consecutiveConnectFailures = 1, maxEjectionPercent = 100, "
                                        "maxEjectionTime = \"1h\", baseEjectionTime = \"1h\"")});
  SluiceProcess& process = balancer.process();
  const bool is_spared = eventually([&] {
    CHECK(!served(balancer.address()));
    return process.log().count("an ejection would leave too few others") > 0;
  });
  CHECK(is_spared);
  CHECK(process.log().wait_count("endpoint down", 1) == 1);
  const bool is_first_out = process.log().count("endpoint=" + first.to_string() + " why=") > 0;
  TcpBackend back(echo, is_first_out ? second : first);
  serve(balancer, 10);
  CHECK_NOTHROW(process.stop());
}

TEST_CASE("ejection can be switched off, also while something is ejected") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend alive(echo);
  const net::Address dead = dead_address();
  const auto config = [&](const Balancer& balancer, int threshold) {
    return one_service(
               balancer.address().port(), {alive.address(), dead}, {},
               passive(fmt::format("consecutiveConnectFailures = {}, maxEjectionTime = \"1h\", "
                                   "baseEjectionTime = \"1h\"",
                                   threshold)))
        .str();
  };
  Balancer balancer(engine, {alive.address(), dead},
                    {.service = passive("consecutiveConnectFailures = 0")});
  SluiceProcess& process = balancer.process();
  serve(balancer, 20);
  CHECK(failures(process, dead) >= 5);
  CHECK(process.log().count("endpoint down") == 0);
  process.write_config(config(balancer, 1));
  CHECK(process.command({"reload"}).code == 0);
  serve_until(balancer, "endpoint down");
  process.write_config(config(balancer, 0));
  CHECK(process.command({"reload"}).code == 0);
  CHECK(process.log().wait_for_line("ejection is off", seconds(5)));
  const double attempts = failures(process, dead);
  serve(balancer, 20);
  CHECK(failures(process, dead) > attempts);
  CHECK_NOTHROW(process.stop());
}

TEST_CASE("an endpoint of a family that the host does not have is one that has failed") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  const net::Address other_family = ip_address("::1", allocate_port());
  Balancer balancer(
      engine, {other_family, backend.address()},
      {.service = passive("consecutiveConnectFailures = 3, baseEjectionTime = \"10m\""),
       .process = {.before_exec = [] { deny_sockets(AF_INET6, EAFNOSUPPORT); }}});
  serve_until(balancer, "why=\"3 connects failed in a row");
  serve(balancer, 20);
  CHECK(failures(balancer.process(), other_family, "connect_failed") == 3);
  balancer.process().stop();
}

}  // namespace lb::test
