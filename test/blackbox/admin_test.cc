// The control socket, the admin address and the commands that use them, with curl for a client:
// what they answer, what a reload does to them, and that nobody can abuse them.
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "lb/config/runtime.h"
#include "test/support/admin_client.h"
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

using nlohmann::json;

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// A file's permissions; -1 when it is not there.
int mode_of(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 ? static_cast<int>(status.st_mode & 0777) : -1;
}

// One listener "main" in front of a service "web", as everywhere here.
struct Served {
  explicit Served(const std::string& engine, const std::string& more = "")
      : process(config(more), engine) {}

  std::string config(const std::string& more = "") const {
    return one_service(port, {backend.address()}).append(more).str();
  }
  net::Address address() const { return ip_address("127.0.0.1", port); }

  TcpBackend backend{echo};
  uint16_t port = allocate_port();
  SluiceProcess process;
};

// A connection to the control socket, for what no decent client does.
Socket raw(const SluiceProcess& process) {
  return Socket::connect(unix_address(process.control_socket()));
}

std::string read_all(Socket& socket) {
  std::string text;
  socket.recv_to_end([&](std::span<const std::byte> bytes) {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  return text;
}

}  // namespace

TEST_CASE("the control socket answers its owner, and its file goes with the process") {
  Served served(SLUICE_EACH_ENGINE());
  const std::string path = served.process.control_socket();
  CHECK(mode_of(path) == 0660);
  const json status = status_of(served.process);
  CHECK(status.at("generation") == 1);
  const json& endpoint = status.at("services").at(0).at("endpoints").at(0);
  CHECK(endpoint.at("address") == "127.0.0.1");
  CHECK(endpoint.at("port") == served.backend.port());
  CHECK(ask(served.process, "/live").status == 200);
  CHECK(ask(served.process, "/ready").status == 200);
  CHECK(ask(served.process, "/").status == 200);
  CHECK(ask(served.process, "/ready", {"-I"}).status == 200);
  CHECK(ask(served.process, "/nothing").status == 404);
  CHECK(ask(served.process, "/reload").status == 405);
  CHECK(ask(served.process, "/status", {"-X", "POST"}).status == 405);
  CHECK(ask(served.process, "/diff", {"-d", "no json"}).status == 400);
  CHECK(ask(served.process, "/diff", {"-d", R"({"config": "/nonexistent"})"}).status == 422);
  served.process.stop();
  CHECK(mode_of(path) == -1);
}

TEST_CASE("the admin address serves what is to be read and nothing else") {
  const auto engine = SLUICE_EACH_ENGINE();
  const std::string ip = GENERATE("127.0.0.1", "[::1]");
  const std::string address = ip + ":" + std::to_string(allocate_port());
  TcpBackend backend(echo);
  SluiceProcess process(one_service(allocate_port(), {backend.address()})
                            .append("[admin]\nsocket = ''\nhttp = '" + address + "'\n")
                            .str(),
                        engine);
  CHECK(mode_of(process.control_socket()) == -1);
  const std::string url = "http://" + address;
  for (const char* path : {"/", "/status", "/metrics", "/ready", "/live"}) {
    INFO(path);
    CHECK(curl({url + path}).status == 200);
  }
  CHECK(contains(curl({url + "/"}).body, "generation 1"));
  CHECK(contains(curl({"-i", url + "/metrics"}).body, "text/plain; version=0.0.4"));
  for (const char* path : {"/reload", "/drain", "/diff"}) {
    INFO(path);
    CHECK(curl({"-X", "POST", url + path}).status == 404);
  }
  CHECK(json::parse(curl({url + "/status"}).body).at("generation") == 1);
  process.stop();
}

TEST_CASE("a reload that is asked for waits for its outcome") {
  Served served(SLUICE_EACH_ENGINE());
  const CommandResult good = command(served.process, {"reload", "--wait", "--timeout", "20s"});
  INFO(good.err);
  CHECK(good.code == 0);
  CHECK(good.out == "applied: generation 2\n");
  CHECK(status_of(served.process).at("generation") == 2);
  served.process.write_config(served.config("[[services]]\nname = 'web'\nprots = []\n"));
  const CommandResult bad = command(served.process, {"reload", "--wait"});
  CHECK(bad.code == 1);
  CHECK(bad.out.empty());
  CHECK(contains(bad.err, "did you mean \"ports\"?"));
  CHECK(contains(bad.err, "sluice.toml:"));
  CHECK(ask(served.process, "/reload", {"-X", "POST"}).status == 409);
  const json status = status_of(served.process);
  CHECK(status.at("generation") == 2);
  CHECK(status.at("lastReload").at("applied") == false);
  CHECK(contains(status.at("lastReload").at("error").get<std::string>(), "sluice.toml:"));
  CHECK(contains(command(served.process, {"status"}).out, "the last reload was refused: "));
  CHECK(metrics_of(served.process).at("sluice_config_last_reload_successful") == 0);
  CHECK(test::served(served.address()));

  served.process.write_config(served.config());
  CHECK(command(served.process, {"reload"}).code == 0);
  CHECK(status_of(served.process).at("lastReload").at("applied") == true);
  const auto metrics = metrics_of(served.process);
  CHECK(metrics.at("sluice_config_last_reload_successful") == 1);
  CHECK(metrics.at("sluice_config_generation") == 3);
  served.process.stop();
}

TEST_CASE("reloads that are asked for all at once are all answered") {
  Served served(SLUICE_EACH_ENGINE());
  const std::string request = "POST /reload HTTP/1.1\r\nHost: a\r\n\r\n";
  std::vector<Socket> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(raw(served.process));
    clients.back().send(request);
    // Every other one does not wait.
    if (i % 2 == 1) clients.back().close();
  }
  for (Socket& client : clients) {
    if (client.is_open()) CHECK(read_all(client).starts_with("HTTP/1.1 200 OK\r\n"));
  }
  const int generation = status_of(served.process).at("generation");
  CHECK(generation >= 2);
  CHECK(generation <= 21);
  CHECK(test::served(served.address()));
  clients.clear();
  served.process.stop();
}

TEST_CASE("the metrics count the traffic, and a reload changes none of them") {
  Served served(SLUICE_EACH_ENGINE());
  const std::string bytes(1000, 'x');
  for (int i = 0; i < 7; ++i) {
    Socket socket = Socket::connect(served.address());
    expect_echo(socket, bytes);
    socket.finish();
    socket.expect_fin();
  }
  Socket held = Socket::connect(served.address());
  expect_echo(held, bytes);
  served.process.wait_records(7);

  const std::string listener = "{gateway=\"gw\",listener=\"main\"}";
  const std::string endpoint =
      "{service=\"web\",endpoint=\"" + served.backend.address().to_string() + "\"}";
  const auto check = [&](double generation) {
    const std::string bytes_out = "sluice_bytes_total{service=\"web\",direction=\"out\"}";
    // The client may have its echo before the worker hears that it was sent.
    CHECK(eventually([&] { return metrics_of(served.process).at(bytes_out) == 8000; }));
    const auto metrics = metrics_of(served.process);
    CHECK(metrics.at("sluice_connections_total" + listener) == 8);
    CHECK(metrics.at("sluice_connections_active" + listener) == 1);
    CHECK(metrics.at("sluice_service_connections_total" + endpoint) == 8);
    CHECK(metrics.at("sluice_service_connections_active" + endpoint) == 1);
    CHECK(metrics.at("sluice_connection_closes_total{service=\"web\",reason=\"client_fin\"}") == 7);
    CHECK(metrics.at("sluice_bytes_total{service=\"web\",direction=\"in\"}") == 8000);
    CHECK(metrics.at("sluice_connect_retries_total{service=\"web\"}") == 0);
    CHECK(metrics.at("sluice_config_generation") == generation);
    double by_worker = 0;
    for (const auto& [name, value] : metrics) {
      if (name.starts_with("sluice_worker_connections{")) by_worker += value;
    }
    CHECK(by_worker == 1);
  };
  check(1);
  CHECK(command(served.process, {"reload"}).code == 0);
  check(2);
  CHECK(status_of(served.process).at("services").at(0).at("endpoints").at(0).at("active") == 1);
  expect_echo(held, bytes);
  held.close();
  served.process.stop();
}

TEST_CASE("refusals and failed connects are counted by their reason") {
  const auto engine = SLUICE_EACH_ENGINE();
  const uint16_t port = allocate_port();
  const uint16_t dead_port = allocate_port();
  ConfigText config;
  config.listener("main", port)
      .listener("empty", dead_port)
      .service("web", {ip_address("127.0.0.1", allocate_port())})
      .service("nobody", {})
      .route("main", {{.service = "web"}})
      .route("empty", {{.service = "nobody"}});
  SluiceProcess process(config.str(), engine);
  for (int i = 0; i < 3; ++i) expect_refused(ip_address("127.0.0.1", port));
  for (int i = 0; i < 2; ++i) expect_refused(ip_address("127.0.0.1", dead_port));
  process.wait_records(5);
  double failures = 0;
  double closes = 0;
  const auto metrics = metrics_of(process);
  for (const auto& [name, value] : metrics) {
    const bool is_refused = contains(name, "reason=\"connect_refused\"");
    if (is_refused && name.starts_with("sluice_connect_failures_total{")) failures += value;
    if (is_refused && name.starts_with("sluice_connection_closes_total{")) closes += value;
  }
  CHECK(failures == 3);
  CHECK(closes == 3);
  CHECK(metrics.at("sluice_connections_refused_total{gateway=\"gw\",listener=\"empty\",reason=\"no_"
                   "backend\"}") == 2);
  CHECK(metrics.at("sluice_connections_active{gateway=\"gw\",listener=\"empty\"}") == 0);
  process.stop();
}

TEST_CASE("a diff counts what a reload would change, and changes nothing") {
  Served served(SLUICE_EACH_ENGINE());
  TempDir dir;
  Socket held = Socket::connect(served.address());
  expect_echo(held, "x");
  const uint16_t new_port = allocate_port();
  const std::string candidate = dir.write(
      "next.toml", one_service(new_port, {ip_address("127.0.0.1", 9), ip_address("::1", 9)}).str());
  const CommandResult text = command(served.process, {"diff", "--config", candidate});
  INFO(text.err);
  CHECK(text.code == 0);
  CHECK(contains(text.out, "listeners  0 added, 0 removed, 1 changed\n"));
  CHECK(contains(text.out, "routes     0 added, 0 removed, 0 changed\n"));
  CHECK(contains(text.out, "endpoints  2 added, 1 removed, 0 changed\n"));
  const CommandResult counts = command(served.process, {"diff", "--json", "--config", candidate});
  CHECK(json::parse(counts.out).at("connectionsOnRemovedEndpoints") == 1);
  CHECK(status_of(served.process).at("generation") == 1);
  CHECK(command(served.process, {"diff", "--config", "/nonexistent"}).code == 2);
  // What is in a file that cannot be loaded is not told to who asks the process.
  const std::string secret = dir.write("secret", "root:secret");
  const Reply reply =
      ask(served.process, "/diff", {"-d", json::object({{"config", secret}}).dump()});
  CHECK(reply.status == 422);
  CHECK_FALSE(contains(reply.body, "root:"));
  held.close();
  served.process.stop();
}

TEST_CASE("a process that drains is not ready, and says why") {
  Served served(SLUICE_EACH_ENGINE());
  CHECK(command(served.process, {"ready"}).code == 0);
  Socket held = Socket::connect(served.address());
  expect_echo(held, "x");
  CHECK(command(served.process, {"drain"}).code == 0);
  const CommandResult ready = command(served.process, {"ready"});
  CHECK(ready.code == 1);
  CHECK(ready.out == "not ready: draining\n");
  CHECK(ask(served.process, "/ready").status == 503);
  CHECK(ask(served.process, "/live").status == 200);
  CHECK(command(served.process, {"reload"}).code == 1);
  CHECK(command(served.process, {"drain"}).code == 0);
  expect_echo(held, "y");
  held.close();
  CHECK(served.process.wait_exit() == 0);
}

TEST_CASE("without an answer a command fails with one line") {
  TempDir dir;
  const auto check = [&](const std::string& socket, std::string_view says,
                         const std::string& timeout = "20s") {
    for (const std::string name : {"status", "reload", "ready", "drain"}) {
      INFO(name);
      const CommandResult result = run_sluice({name, "--socket", socket, "--timeout", timeout});
      CHECK(result.code == 1);
      CHECK(result.out.empty());
      CHECK(contains(result.err, "no answer from " + socket + ": "));
      CHECK(contains(result.err, says));
      CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    }
  };
  check(dir.path("nothing"), "no process listens there");
  const net::UniqueFd silent = listen_on(unix_address(dir.path("silent")));
  check(dir.path("silent"), "not within 0.1 s", "100ms");
  TcpBackend closes([](Socket& socket) { socket.recv_some(); }, unix_address(dir.path("closes")));
  check(dir.path("closes"), "the connection ended before it");
  TcpBackend breaks_off(
      [](Socket& socket) {
        socket.recv_some();
        socket.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}");
      },
      unix_address(dir.path("breaks_off")));
  check(dir.path("breaks_off"), "the connection ended before it");
}

TEST_CASE("a socket left by a killed process is replaced, that of a living one is not") {
  const auto engine = SLUICE_EACH_ENGINE();
  TempDir dir;
  const std::string path = dir.path("s");
  const std::string admin = "[admin]\nsocket = '" + path + "'\n";
  const auto ask_there = [&] { return curl({"--unix-socket", path, "http://x/live"}).status; };
  {
    Served first(engine, admin);
    CHECK(ask_there() == 200);
    first.process.send_signal(SIGKILL);
    CHECK(first.process.wait_exit() == 128 + SIGKILL);
  }
  CHECK(mode_of(path) >= 0);
  Served second(engine, admin);
  CHECK(ask_there() == 200);
  {
    Served third(engine, admin);
    CHECK(third.process.log().wait_count("another process listens there", 1) == 1);
    CHECK(test::served(third.address()));
    third.process.stop();
  }
  CHECK(ask_there() == 200);
  second.process.stop();
  CHECK(mode_of(path) == -1);
}

// Runs in the child: a machine whose /run is a folder of its own, which may be written or not.
void with_own_run_folder(unsigned long flags) {
  const bool is_done = ::unshare(CLONE_NEWNS) == 0 &&
                       ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                       ::mount("tmpfs", "/run", "tmpfs", flags, nullptr) == 0;
  if (!is_done) ::_exit(99);
}

TEST_CASE("by default it listens in /run/sluice, and lives without where that cannot be had") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool is_writable = GENERATE(true, false);
  if (::geteuid() != 0) return;
  TcpBackend backend(echo);
  const uint16_t port = allocate_port();
  SluiceProcess process(
      one_service(port, {backend.address()}).append("[admin]\nhttp = ''\n").str(),
      {.engine = engine, .before_exec = [=] { with_own_run_folder(is_writable ? 0 : MS_RDONLY); }});
  const std::string path =
      "/proc/" + std::to_string(process.pid()) + "/root" + config::kDefaultControlSocket;
  CHECK(mode_of(path) == (is_writable ? 0660 : -1));
  CHECK(process.log().count("level=warn msg=\"no control socket\"") == (is_writable ? 0 : 1));
  CHECK(served(ip_address("127.0.0.1", port)));
  process.stop();
}

TEST_CASE("another user is turned away by the file's mode, and by its identity") {
  Served served(SLUICE_EACH_ENGINE());
  if (::geteuid() != 0) return;
  const std::string path = served.process.control_socket();
  const std::string folder = path.substr(0, path.rfind('/'));
  REQUIRE(::chmod(folder.c_str(), 0755) == 0);
  const auto ask_as = [&](uid_t user, gid_t group, gid_t other_group) {
    return curl({"--unix-socket", path, "http://x/status"}, [=] {
      if (::setgroups(1, &other_group) != 0 || ::setgid(group) != 0 || ::setuid(user) != 0) {
        ::_exit(99);
      }
    });
  };
  constexpr uid_t kNobody = 65534;
  constexpr int kCouldNotConnect = 7;
  CHECK(ask_as(kNobody, kNobody, kNobody).curl_code == kCouldNotConnect);
  // The group of the file is this process's: root's here.
  CHECK(ask_as(kNobody, 0, kNobody).status == 200);
  CHECK(ask_as(kNobody, kNobody, 0).status == 200);
  REQUIRE(::chmod(path.c_str(), 0666) == 0);
  const Reply stranger = ask_as(kNobody, kNobody, kNobody);
  CHECK(stranger.status == 403);
  CHECK(contains(stranger.body, "may not use the control socket"));
  CHECK(ask_as(0, kNobody, kNobody).status == 200);
  served.process.stop();
}

TEST_CASE("a thousand clients and a line without end hold up neither the data nor each other") {
  Served served(SLUICE_EACH_ENGINE());
  std::vector<Socket> crowd;
  for (int i = 0; i < 1000; ++i) {
    int error = 0;
    // A full queue is an answer as well.
    crowd.push_back(Socket::try_connect(unix_address(served.process.control_socket()), {}, error));
    if (i % 100 == 0) CHECK(test::served(served.address()));
  }
  // Those who are too many are closed at once; 64 are in, beside what serves.
  CHECK(eventually(
      [&] { return open_fd_count(served.process.pid()) <= served.process.fds_at_ready() + 64; }));
  crowd.clear();
  CHECK(eventually([&] { return ask(served.process, "/live").status == 200; }));

  Socket endless = raw(served.process);
  const std::string part(1 << 20, 'x');
  uint64_t sent_bytes = 0;
  try {
    for (int i = 0; i < 1024; ++i) {
      endless.send(part);
      sent_bytes += part.size();
    }
  } catch (const Failure&) {
    // As it should be: nobody reads any more.
  }
  CHECK(sent_bytes < 16U << 20);
  CHECK(read_all(endless).starts_with("HTTP/1.1 431 "));
  CHECK(ask(served.process, "/diff", {"-d", std::string(100'000, 'x')}).status == 413);
  // A sanitizer keeps what is freed, and shadows of it.
  if (!is_sanitized()) CHECK(private_dirty_bytes(served.process.pid()) < 64U << 20);
  endless.close();
  CHECK(test::served(served.address()));
  served.process.stop();
}

TEST_CASE("garbage gets a 400, and who is slow a 408 after ten seconds") {
  Served served(SLUICE_EACH_ENGINE());
  Socket slow = raw(served.process);
  slow.send("GET /status HTTP/1.1\r\nHost:");
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string& garbage :
       {std::string("\x16\x03\x01\x02\x00\x01\xfc\x03", 8), std::string("hello\n\n"),
        std::string("GET / HTTP/1.1\r\n\r\n"), std::string("\0\0\0\0", 4)}) {
    Socket socket = raw(served.process);
    socket.send(garbage);
    CHECK(read_all(socket).starts_with("HTTP/1.1 400 Bad Request\r\n"));
  }
  CHECK(ask(served.process, "/diff", {"-H", "Transfer-Encoding: chunked", "-d", "x"}).status ==
        501);
  CHECK(read_all(slow).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  const auto waited = std::chrono::steady_clock::now() - begin;
  CHECK(waited > std::chrono::seconds(9));
  CHECK(waited < patience(std::chrono::seconds(15)));
  slow.close();
  served.process.stop();
}

}  // namespace lb::test
