// Health checks of real servers: redis, PostgreSQL, nginx, OpenSSL and HAProxy, up and down. A case
// is skipped, with a printed line, where its program is missing.
#include <signal.h>

#include <chrono>
#include <optional>

#include "fmt/format.h"
#include "test/blackbox/peer.h"
#include "test/support/admin_client.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/port_allocator.h"
#include "test/support/sluice_process.h"
#include "test/support/socket.h"

namespace lb::test {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;

bool is_healthy(const SluiceProcess& process, const net::Address& endpoint,
                const std::string& service) {
  return metrics_of(process).at(
             fmt::format("sluice_endpoint_healthy{{service=\"{}\",endpoint=\"{}\"}}", service,
                         endpoint.to_string())) == 1;
}

// A service each, with this check in its extra lines, all with a listener of their own.
struct Checked {
  Checked(const std::string& engine, const net::Address& address,
          const std::vector<std::pair<std::string, std::string>>& services)
      : endpoint(address) {
    ConfigText config;
    for (const auto& [name, extra] : services) {
      config.listener(name, allocate_port())
          .service(name, {endpoint}, extra)
          .route(name, {{.service = name}});
    }
    process.emplace(config.str(), engine);
  }
  ~Checked() { process->send_signal(SIGKILL); }

  bool becomes(const std::string& service, bool is_up) const {
    return eventually([&] { return is_healthy(*process, endpoint, service) == is_up; }, 30s);
  }
  // Several results of each service have come in.
  void wait_checks(const std::string& service) const {
    const auto count = [&] {
      double sum = 0;
      for (const char* const result : {"success", "failure", "timeout"}) {
        sum += metrics_of(*process).at(fmt::format(
            "sluice_health_checks_total{{service=\"{}\",endpoint=\"{}\",result=\"{}\"}}", service,
            endpoint.to_string(), result));
      }
      return sum;
    };
    CHECK(eventually([&] { return count() >= 4; }, 30s));
  }

  net::Address endpoint;
  std::optional<SluiceProcess> process;
};

std::string check(const std::string& rest) {
  return "healthCheck.active = { interval = \"200ms\", timeout = \"2s\", unhealthyThreshold = 1, " +
         rest + " }";
}

}  // namespace

TEST_CASE("redis answers PING, or it is down") {
  const auto engine = SLUICE_EACH_ENGINE();
  if (!have_programs({"redis-server", "redis-cli"})) return;
  const TempDir dir;
  const net::Address address = ip_address("127.0.0.1", allocate_port());
  const std::string port = std::to_string(address.port());
  std::optional<ChildProcess> redis;
  const auto start = [&] {
    redis.emplace(SpawnOptions{.argv = {"redis-server", "--port", port, "--bind", "127.0.0.1",
                                        "--save", "", "--dir", dir.path()}});
    wait_listening(address);
  };
  start();
  Checked checked(
      engine, address,
      {{"redis", check(R"(type = "TCP", tcp = { send = "PING\r\n", receive = ["+PONG\r\n"] })")}});
  CHECK(checked.becomes("redis", true));
  // It accepts still, and says something else.
  run_command({.argv = {"redis-cli", "-p", port, "CONFIG", "SET", "requirepass", "secret"}});
  CHECK(checked.becomes("redis", false));
  CHECK(checked.process->log().wait_for_line(R"(expected \"+PONG\\r\\n\", got \"-NOAUTH)", 5s));
  run_command(
      {.argv = {"redis-cli", "-p", port, "-a", "secret", "CONFIG", "SET", "requirepass", ""}});
  CHECK(checked.becomes("redis", true));
  // It stands still: the kernel accepts in its name.
  redis->send_signal(SIGSTOP);
  CHECK(checked.becomes("redis", false));
  redis->send_signal(SIGCONT);
  CHECK(checked.becomes("redis", true));
  redis.reset();
  CHECK(checked.becomes("redis", false));
  start();
  CHECK(checked.becomes("redis", true));
}

TEST_CASE("PostgreSQL answers a request for TLS, or it is down") {
  const auto engine = SLUICE_EACH_ENGINE();
  if (!Postgres::is_installed()) return;
  const TempDir dir;
  const net::Address address = ip_address("127.0.0.1", allocate_port());
  const Postgres program(dir);
  REQUIRE_NOTHROW(program.make_cluster());
  std::optional<ChildProcess> postgres;
  const auto start = [&] { postgres.emplace(program.command(address.port())); };
  start();
  Checked checked(
      engine, address,
      {{"postgres", check(R"(type = "TCP", tcp = { send = { hex = "00000008 04d2162f" }, )"
                          R"(receive = ["N"] })")}});
  CHECK(checked.becomes("postgres", true));
  postgres->send_signal(SIGINT);
  CHECK(postgres->wait_code() == 0);
  // A server that is checked every 200 ms and complains each time would fill a disk.
  CHECK(postgres->err().count("could not") == 0);
  CHECK(postgres->err().count("incomplete startup") == 0);
  CHECK(checked.becomes("postgres", false));
  start();
  CHECK(checked.becomes("postgres", true));
}

TEST_CASE("nginx answers with the expected status, or it is down") {
  const auto engine = SLUICE_EACH_ENGINE();
  if (!have_programs({"nginx"})) return;
  const TempDir dir;
  const net::Address address = ip_address("127.0.0.1", allocate_port());
  const std::string config = fmt::format(
      "server {{ listen {0} default_server; return 404; }}\n"
      "server {{ listen {0}; server_name web.example;\n"
      "location = /ok {{ return 204; }}\n location = /bad {{ return 503; }} }}",
      address.to_string());
  std::optional<ChildProcess> nginx;
  const auto start = [&] {
    nginx.emplace(nginx_command(dir, config));
    wait_listening(address);
  };
  start();
  const std::string host = R"(host = "web.example")";
  Checked checked(
      engine, address,
      {{"ok", check(R"(type = "HTTP", http = { path = "/ok", expectedStatuses = ["200-299"], )" +
                    host + " }")},
       {"exact", check(R"(type = "HTTP", http = { path = "/ok", )" + host + " }")},
       {"bad", check(R"(type = "HTTP", http = { path = "/bad", )" + host + " }")},
       {"nameless", check(R"(type = "HTTP", http = { path = "/ok", expectedStatuses = [404] })")}});
  CHECK(checked.becomes("ok", true));
  CHECK(checked.becomes("nameless", true));
  checked.wait_checks("exact");
  checked.wait_checks("bad");
  CHECK(!is_healthy(*checked.process, address, "exact"));
  CHECK(!is_healthy(*checked.process, address, "bad"));
  CHECK(checked.process->log().wait_for_line("HTTP status 503", 5s));
  CHECK(checked.process->log().wait_for_line("HTTP status 204", 5s));
  nginx.reset();
  CHECK(checked.becomes("ok", false));
  start();
  CHECK(checked.becomes("ok", true));
}

TEST_CASE("nginx makes the handshake with the name and the protocol that are asked for") {
  const auto engine = SLUICE_EACH_ENGINE();
  if (!have_programs({"nginx", "openssl"})) return;
  const TempDir dir;
  make_certificate(dir);
  const net::Address address = ip_address("127.0.0.1", allocate_port());
  const std::string config = fmt::format(
      "server {{ listen {0} ssl default_server; ssl_reject_handshake on; }}\n"
      "server {{ listen {0} ssl http2; server_name good.example;\n"
      "ssl_certificate cert.pem; ssl_certificate_key key.pem; }}",
      address.to_string());
  std::optional<ChildProcess> nginx;
  const auto start = [&] {
    nginx.emplace(nginx_command(dir, config));
    wait_listening(address);
  };
  start();
  const std::string name = R"(serverName = "good.example")";
  Checked checked(
      engine, address,
      {{"good", check(R"(type = "TLS", tls = { )" + name + " }")},
       {"alpn", check(R"(type = "TLS", tls = { )" + name + R"(, alpn = ["h2"] })")},
       {"nameless", check(R"(type = "TLS")")},
       {"badname", check(R"(type = "TLS", tls = { serverName = "bad.example" })")},
       {"badalpn", check(R"(type = "TLS", tls = { )" + name + R"(, alpn = ["smtp"] })")}});
  CHECK(checked.becomes("good", true));
  CHECK(checked.becomes("alpn", true));
  for (const char* const service : {"nameless", "badname", "badalpn"}) {
    checked.wait_checks(service);
    CHECK(!is_healthy(*checked.process, address, service));
  }
  const LineLog& log = checked.process->log();
  CHECK(log.wait_for_line("TLS handshake: tlsv1 alert no application protocol", 5s));
  CHECK(log.wait_for_line("TLS handshake: tlsv1 unrecognized name", 5s));
  nginx.reset();
  CHECK(checked.becomes("good", false));
  start();
  CHECK(checked.becomes("good", true));
}

namespace {

// Services that check a server which wants a PROXY header: with one of each version, and without.
void check_with_headers(const std::string& engine, const net::Address& address) {
  const std::string http = check(R"(type = "HTTP", http = { path = "/" })");
  Checked checked(engine, address,
                  {{"v1", http + "\nproxyProtocol = { version = \"V1\" }"},
                   {"v2", http + "\nproxyProtocol = { version = \"V2\" }"},
                   {"none", http}});
  CHECK(checked.becomes("v1", true));
  CHECK(checked.becomes("v2", true));
  checked.wait_checks("none");
  CHECK(!is_healthy(*checked.process, address, "none"));
}

}  // namespace

TEST_CASE("HAProxy takes the PROXY header of a check") {
  const auto engine = SLUICE_EACH_ENGINE();
  if (!have_programs({"haproxy"})) return;
  const TempDir dir;
  const net::Address address = ip_address("127.0.0.1", allocate_port());
  ChildProcess haproxy(
      {.argv = {"haproxy", "-db", "-f",
                dir.write("haproxy.cfg", fmt::format("defaults\n mode http\n timeout client 10s\n"
                                                     "frontend f\n bind {} accept-proxy\n"
                                                     " http-request return status 200\n",
                                                     address.to_string()))}});
  wait_listening(address);
  check_with_headers(engine, address);
}

TEST_CASE("nginx takes the PROXY header of a check") {
  const auto engine = SLUICE_EACH_ENGINE();
  if (!have_programs({"nginx"})) return;
  const TempDir dir;
  const net::Address address = ip_address("127.0.0.1", allocate_port());
  ChildProcess nginx(nginx_command(
      dir, fmt::format("server {{ listen {} proxy_protocol; return 200; }}", address.to_string())));
  wait_listening(address);
  check_with_headers(engine, address);
}

}  // namespace lb::test
