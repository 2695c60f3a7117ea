// Well-known programs through the balancer: curl and nginx with the guide's configuration, redis,
// PostgreSQL and iperf3. A case is skipped, with a printed line, where its program is missing.
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "test/blackbox/peer.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/network_namespace.h"
#include "test/support/port_allocator.h"
#include "test/support/scale.h"
#include "test/support/temp_dir.h"

namespace lb::test {
namespace {

using Catch::Contains;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void stop_server(ChildProcess& server, int signal = SIGTERM) {
  server.send_signal(signal);
  if (server.wait_code() != 0) throw Failure("server: " + server.err().text());
}

std::string nginx_server(uint16_t port) {
  return "server { listen 127.0.0.1:" + std::to_string(port) +
         ";\n"
         "location = /headers { default_type application/json;\n"
         "return 200 '{\"headers\": {\"Host\": \"$http_host\"}}'; }\n"
         "location /files/ { alias files/; } }";
}

}  // namespace

TEST_CASE("the guide's configuration in front of nginx: curl gets its Host back on both ports") {
  const auto engine = SLUICE_EACH_ENGINE();
  if (!have_programs({"nginx", "curl"})) return;
  const auto space = NetworkNamespace::enter();
  if (space == nullptr) return;
  const TempDir dir;
  std::filesystem::create_directory(dir.path("files"));
  dir.write("files/big", std::string(30 << 20, 'n'));
  // The guide's service has its endpoint on port 80 of this host.
  ChildProcess nginx(nginx_command(dir, nginx_server(80)));
  REQUIRE_NOTHROW(wait_listening(ip_address("127.0.0.1", 80)));
  SluiceProcess process(read_file(std::string(std::getenv("SLUICE_CONF")) + "/tcp-routing.toml"),
                        engine);
  for (const std::string host : {"localhost:8000", "localhost:8001"}) {
    const CommandResult answer = run_command({.argv = {"curl", "-s", host + "/headers"}});
    INFO(host);
    CHECK(answer.code == 0);
    CHECK(answer.out == "{\"headers\": {\"Host\": \"" + host + "\"}}\n");
    const CommandResult file =
        run_command({.argv = {"curl", "-s", "-o", "/dev/null", "-w",
                              "%{http_code} %{size_download}", host + "/files/big"}});
    CHECK(file.out == "200 31457280\n");
  }
  process.stop();
  stop_server(nginx);
}

TEST_CASE("redis: commands, a pipeline of 10 000, a value of 1 MB") {
  const auto engine = SLUICE_EACH_ENGINE();
  if (!have_programs({"redis-server", "redis-cli"})) return;
  const TempDir dir;
  const net::Address address = ip_address("127.0.0.1", allocate_port());
  ChildProcess redis({.argv = {"redis-server", "--port", std::to_string(address.port()), "--bind",
                               "127.0.0.1", "--save", "", "--dir", dir.path()}});
  REQUIRE_NOTHROW(wait_listening(address));
  Balancer balancer(engine, {address});
  const auto cli = [&](std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(),
                     {"redis-cli", "-p", std::to_string(balancer.address().port())});
    return run_command({.argv = arguments, .stdin_path = input}).out;
  };
  CHECK(cli({"SET", "name", "sluice"}) == "OK\n");
  CHECK(cli({"GET", "name"}) == "sluice\n");

  std::string pipeline;
  for (int i = 0; i < 10'000; ++i) pipeline += "SET key" + std::to_string(i) + " value\r\n";
  CHECK_THAT(cli({"--pipe"}, dir.write("pipeline", pipeline)),
             Contains("errors: 0, replies: 10000"));
  CHECK(cli({"DBSIZE"}) == "10001\n");

  const std::string value(1 << 20, 'v');
  CHECK(cli({"-x", "SET", "big"}, dir.write("value", value)) == "OK\n");
  CHECK(cli({"GET", "big"}) == value + "\n");
  balancer.process().stop();
  stop_server(redis);
}

TEST_CASE("PostgreSQL: a query, and megabytes in and out by COPY") {
  const auto engine = SLUICE_EACH_ENGINE();
  if (!Postgres::is_installed() || !have_programs({"psql"})) return;
  const TempDir dir;
  const net::Address address = ip_address("127.0.0.1", allocate_port());
  const Postgres program(dir);
  REQUIRE_NOTHROW(program.make_cluster());
  ChildProcess postgres(program.command(address.port()));
  const auto sql = [&](const net::Address& to, const std::string& statement) {
    return run_command({.argv = {"psql", "-h", "127.0.0.1", "-p", std::to_string(to.port()), "-U",
                                 "postgres", "-Atqc", statement}});
  };
  REQUIRE(eventually([&] { return sql(address, "SELECT 1").code == 0; }, std::chrono::seconds(30)));
  Balancer balancer(engine, {address});
  CHECK(sql(balancer.address(), "SELECT 6 * 7").out == "42\n");

  const std::string rows = std::to_string(scaled(80'000, 8'000));
  const std::string query =
      "COPY (SELECT i, repeat(md5(i::text), 4) FROM generate_series(1, " + rows + ") i) TO STDOUT";
  const std::string through = sql(balancer.address(), query).out;
  CHECK(through.size() > std::stoul(rows) * 130);
  CHECK(through == sql(address, query).out);

  const std::string path = dir.write("rows", through);
  CHECK(sql(balancer.address(), "CREATE TABLE t (i int, s text)").code == 0);
  CHECK(sql(balancer.address(), "\\copy t FROM '" + path + "'").code == 0);
  CHECK(sql(balancer.address(), "SELECT count(*), sum(length(s)) FROM t").out ==
        rows + "|" + std::to_string(128 * std::stoul(rows)) + "\n");
  balancer.process().stop();
  stop_server(postgres, SIGINT);
}

TEST_CASE("iperf3 runs both ways", "[iperf]") {
  const auto engine = SLUICE_EACH_ENGINE();
  if (!have_programs({"iperf3"})) return;
  const net::Address address = ip_address("127.0.0.1", allocate_port());
  ChildProcess server(
      {.argv = {"iperf3", "-s", "-B", "127.0.0.1", "-p", std::to_string(address.port())}});
  REQUIRE_NOTHROW(wait_listening(address));
  Balancer balancer(engine, {address});
  for (const std::vector<std::string>& mode :
       {std::vector<std::string>{}, std::vector<std::string>{"-R"},
        std::vector<std::string>{"-P", "4"}}) {
    std::vector<std::string> argv = {
        "iperf3", "-c", "127.0.0.1", "-p", std::to_string(balancer.address().port()), "-n", "100M"};
    argv.insert(argv.end(), mode.begin(), mode.end());
    CommandResult result = {};
    // The server needs a moment between two clients.
    CHECK(eventually([&] {
      result = run_command({.argv = argv});
      return result.code == 0;
    }));
    INFO(result.out << result.err);
    CHECK_THAT(result.out, Contains("receiver"));
  }
  balancer.process().stop();
}

}  // namespace lb::test
