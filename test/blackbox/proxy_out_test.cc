// PROXY headers to servers: the bytes, whoever the client is, and where they stand: whole, once, in
// front of everything, after whatever came before the connect that succeeded. And what real
// receivers read out of them.
#include <algorithm>
#include <csignal>
#include <mutex>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "test/blackbox/peer.h"
#include "test/support/admin_client.h"
#include "test/support/balancer.h"
#include "test/support/blackhole.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/port_allocator.h"
#include "test/support/tcp_backend.h"
#include "test/support/temp_dir.h"

namespace lb::test {
namespace {

const char* const kV1 = "proxyProtocol = { version = \"V1\" }";
const char* const kV2 = "proxyProtocol = { version = \"V2\" }";

// What a header of version 2 begins with: PROXY of TCP over IPv4, or IPv6.
std::string v2_start(bool is_ipv4) {
  return std::string("\r\n\r\n\0\r\nQUIT\n\x21", 13) +
         (is_ipv4 ? std::string("\x11\0\x0c", 3) : std::string("\x21\0\x24", 3));
}

std::string number(uint16_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

std::string ports(const net::Address& client, const net::Address& listener) {
  return number(client.port()) + number(listener.port());
}

std::string v1_header(const char* family, const net::Address& client,
                      const net::Address& listener) {
  return fmt::format("PROXY {} {} {} {} {}\r\n", family, client.host_string(),
                     listener.host_string(), client.port(), listener.port());
}

const std::string kLoopback4("\x7f\0\0\1", 4);
const std::string kLoopback6(std::string(15, '\0') + '\1');

// Keeps what the first read of each connection brings, then echoes what comes after the header.
class Recorder {
 public:
  explicit Recorder(size_t header_bytes,
                    const net::Address& address = ip_address("127.0.0.1", allocate_port()))
      : backend_(
            [this, header_bytes](Socket& socket) {
              std::string first = socket.recv_some();
              {
                const std::lock_guard lock(mutex_);
                firsts_.push_back(first);
              }
              if (first.size() < header_bytes) throw Failure("a header in pieces");
              socket.send(first.substr(header_bytes));
              echo(socket);
            },
            address) {}

  const net::Address& address() const { return backend_.address(); }
  TcpBackend& backend() { return backend_; }
  // Of the n-th connection, waited for.
  std::string first_read(size_t n = 0) {
    if (!eventually([&] { return count() > n; }, std::chrono::seconds(20))) {
      backend_.check();
      throw Failure("no header has come");
    }
    const std::lock_guard lock(mutex_);
    return firsts_[n];
  }

 private:
  size_t count() {
    const std::lock_guard lock(mutex_);
    return firsts_.size();
  }

  std::mutex mutex_;  // guards firsts_
  std::vector<std::string> firsts_;
  TcpBackend backend_;
};

// A client of a listener on every address of the host.
struct Everywhere {
  Everywhere(const std::string& engine, const net::Address& endpoint, const std::string& service)
      : port(allocate_port()),
        process(one_service(port, {endpoint}, "", service).addresses({"::"}).str(), engine) {}

  uint16_t port;
  SluiceProcess process;
};

std::vector<std::string> splice_modes() { return {"auto", "always", "off"}; }

}  // namespace

TEST_CASE("a header comes in the first read, before the client has said anything") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool is_v1 = GENERATE(true, false);
  INFO(engine << (is_v1 ? ", V1" : ", V2"));
  Recorder recorder(is_v1 ? 1 : 28);
  Balancer balancer(engine, {recorder.address()}, {.service = is_v1 ? kV1 : kV2});
  Socket client = balancer.connect();
  const net::Address from = client.local_address();
  const net::Address to = balancer.address();
  if (is_v1) {
    CHECK(recorder.first_read() == v1_header("TCP4", from, to));
  } else {
    CHECK(recorder.first_read() == v2_start(true) + kLoopback4 + kLoopback4 + ports(from, to));
  }
  client.close();
  const AccessRecord record = balancer.process().wait_record(from.to_string());
  CHECK(record.number("bytes_in") == 0);
  balancer.process().stop();
}

TEST_CASE("clients of a listener for both families are seen in their own, over IPv4 as IPv4") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool is_v1 = GENERATE(true, false);
  const bool is_ipv4 = GENERATE(true, false);
  INFO(engine << (is_v1 ? ", V1" : ", V2") << (is_ipv4 ? ", IPv4" : ", IPv6"));
  Recorder recorder(1);
  Everywhere balancer(engine, recorder.address(), is_v1 ? kV1 : kV2);
  const net::Address to = ip_address(is_ipv4 ? "127.0.0.1" : "::1", balancer.port);
  Socket client = Socket::connect(to);
  const net::Address from = client.local_address();
  if (is_v1) {
    CHECK(recorder.first_read() == v1_header(is_ipv4 ? "TCP4" : "TCP6", from, to));
  } else {
    const std::string& loopback = is_ipv4 ? kLoopback4 : kLoopback6;
    CHECK(recorder.first_read() == v2_start(is_ipv4) + loopback + loopback + ports(from, to));
  }
  client.close();
  balancer.process.stop();
}

TEST_CASE("a server over IPv6 or a unix socket is told of the client as any other") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool is_unix = GENERATE(true, false);
  const TempDir dir;
  Recorder recorder(
      1, is_unix ? unix_address(dir.path("server.sock")) : ip_address("::1", allocate_port()));
  Balancer balancer(engine, {recorder.address()}, {.service = kV1});
  Socket client = balancer.connect();
  CHECK(recorder.first_read() == v1_header("TCP4", client.local_address(), balancer.address()));
  client.close();
  balancer.process().stop();
}

TEST_CASE("a server that speaks first gets the header as well, and is heard") {
  const auto engine = SLUICE_EACH_ENGINE();
  std::mutex mutex;
  std::string seen;
  TcpBackend backend([&](Socket& socket) {
    socket.send("220 hello\r\n");
    const std::string first = socket.recv_some();
    const std::lock_guard lock(mutex);
    seen = first;
  });
  Balancer balancer(engine, {backend.address()}, {.service = kV1});
  Socket client = balancer.connect();
  CHECK(client.recv_exactly(11) == "220 hello\r\n");
  CHECK_NOTHROW(backend.wait_finished(1));
  CHECK(seen == v1_header("TCP4", client.local_address(), balancer.address()));
  client.close();
  balancer.process().stop();
}

TEST_CASE("what a client sends before its server is there comes right behind one header") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto mode = GENERATE(from_range(splice_modes()));
  const bool is_refused_first = GENERATE(true, false);
  INFO(engine << ", " << mode << (is_refused_first ? ", refused first" : ", late"));
  Blackhole blackhole;
  Recorder recorder(28);
  const net::Address first =
      is_refused_first ? ip_address("127.0.0.1", allocate_port()) : blackhole.address();
  // Which of the two is asked first is the load balancer's choice: the last one always is.
  const std::string service = std::string(kV2) + "\ntimeout.tcp.connectTimeout = \"500ms\"\n" +
                              "loadBalancer.type = \"RoundRobin\"";
  Balancer balancer(engine, {first, recorder.address()},
                    {.service = service, .runtime = "splice = \"" + mode + "\"\nworkers = 1"});
  int64_t most_attempts = 0;
  for (size_t i = 0; i < 4; ++i) {
    Socket client = balancer.connect();
    client.send("early");
    CHECK(client.recv_exactly(5) == "early");
    const std::string header = v2_start(true) + kLoopback4 + kLoopback4 +
                               ports(client.local_address(), balancer.address());
    CHECK(recorder.first_read(i).substr(0, 28) == header);
    client.finish();
    CHECK_NOTHROW(client.expect_fin());
    const AccessRecord record = balancer.process().wait_record(client.local_address().to_string());
    INFO(record.line());
    CHECK(record.number("bytes_in") == 5);
    CHECK(record.number("bytes_out") == 5);
    most_attempts = std::max(most_attempts, record.number("attempts"));
  }
  CHECK(most_attempts == 2);
  balancer.process().stop();
}

TEST_CASE("uploads of megabytes follow the header exactly, however they are relayed") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto mode = GENERATE(from_range(splice_modes()));
  INFO(engine << ", " << mode);
  constexpr uint64_t kBytes = 5'000'000;
  TcpBackend backend([](Socket& socket) {
    const std::string header = socket.recv_exactly(28);
    if (!header.starts_with(v2_start(true))) throw Failure("no header");
    ByteStream stream(7);
    socket.recv_stream(stream, kBytes);
    socket.expect_fin();
    socket.finish();
  });
  Balancer balancer(engine, {backend.address()},
                    {.service = kV2, .runtime = "splice = \"" + mode + "\"\nworkers = 1"});
  Socket client = balancer.connect();
  ByteStream stream(7);
  client.send_stream(stream, kBytes);
  client.finish();
  CHECK_NOTHROW(client.expect_fin());
  CHECK_NOTHROW(backend.wait_finished(1));
  const AccessRecord record = balancer.process().wait_record(client.local_address().to_string());
  CHECK(record.number("bytes_in") == kBytes);
  CHECK(record.text("relay") == (mode == "off" ? "copy" : "splice"));
  CHECK(metrics_of(balancer.process()).at("sluice_bytes_total{service=\"web\",direction=\"in\"}") ==
        static_cast<double>(kBytes));
  balancer.process().stop();
}

TEST_CASE("a client that ends at once leaves a header and a FIN") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend([](Socket& socket) {
    socket.recv_exactly(28);
    socket.expect_fin();
    socket.send("bye");
    socket.finish();
  });
  Balancer balancer(engine, {backend.address()}, {.service = kV2});
  Socket client = balancer.connect();
  client.finish();
  CHECK(client.recv_exactly(3) == "bye");
  CHECK_NOTHROW(client.expect_fin());
  CHECK_NOTHROW(backend.wait_finished(1));
  balancer.process().stop();
}

TEST_CASE("the unique id is the id of the access log") {
  const auto engine = SLUICE_EACH_ENGINE();
  Recorder recorder(28 + 19);
  Balancer balancer(engine, {recorder.address()},
                    {.service = "proxyProtocol = { version = \"V2\", tlvs = [\"uniqueId\"] }"});
  Socket client = balancer.connect();
  const std::string from = client.local_address().to_string();
  const std::string first = recorder.first_read();
  client.close();
  const AccessRecord record = balancer.process().wait_record(from);
  REQUIRE(first.size() == 28 + 19);
  CHECK(first.substr(14, 2) == number(12 + 19));
  CHECK(first.substr(28) == std::string("\x05\0\x10", 3) + record.text("id"));
  balancer.process().stop();
}

namespace {

std::string haproxy_config(uint16_t port) {
  return "defaults\nmode http\ntimeout connect 20s\ntimeout client 20s\ntimeout server 20s\n"
         "frontend f\nbind 127.0.0.1:" +
         std::to_string(port) +
         " accept-proxy\n"
         "http-request return status 200 content-type text/plain lf-string "
         "\"%[src]:%[src_port] %[dst]:%[dst_port] %[fc_pp_unique_id]\"\n";
}

std::string nginx_server(uint16_t port) {
  return "server { listen 127.0.0.1:" + std::to_string(port) +
         " proxy_protocol;\nlocation / { default_type text/plain;\n"
         "return 200 \"$proxy_protocol_addr:$proxy_protocol_port"
         " $proxy_protocol_server_addr:$proxy_protocol_server_port \"; } }";
}

SpawnOptions receiver_command(const std::string& program, const TempDir& dir, uint16_t port) {
  if (program == "nginx") return nginx_command(dir, nginx_server(port));
  return {.argv = {"haproxy", "-db", "-f", dir.write("config", haproxy_config(port))}};
}

// The body of the answer to a request of HTTP/1.0.
std::string get(Socket& client) {
  client.send("GET / HTTP/1.0\r\n\r\n");
  std::string answer;
  client.recv_to_end([&](std::span<const std::byte> bytes) {
    answer.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  const size_t end = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.") || end == std::string::npos) {
    throw Failure("no answer: " + answer);
  }
  return answer.substr(end + 4);
}

}  // namespace

TEST_CASE("a real receiver sees the client") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto program = GENERATE(as<std::string>(), "haproxy", "nginx");
  const auto keys = GENERATE(as<std::string>(), "version = \"V1\"", "version = \"V2\"",
                             "version = \"V2\", tlvs = [\"uniqueId\", \"crc32c\"]");
  const auto ip = GENERATE(as<std::string>(), "127.0.0.1", "::1");
  INFO(engine << ", " << program << ", " << keys << ", " << ip);
  if (!have_programs({program})) return;
  const TempDir dir;
  const net::Address address = ip_address("127.0.0.1", allocate_port());
  const bool is_haproxy = program == "haproxy";
  ChildProcess receiver(receiver_command(program, dir, address.port()));
  REQUIRE_NOTHROW(wait_listening(address));
  Everywhere balancer(engine, address, "proxyProtocol = { " + keys + " }");
  const net::Address to = ip_address(ip, balancer.port);
  Socket client = Socket::connect(to);
  const net::Address from = client.local_address();
  const std::string body = get(client);
  client.close();
  const AccessRecord record = balancer.process.wait_record(from.to_string());
  const bool has_id = keys.find("uniqueId") != std::string::npos && is_haproxy;
  CHECK(body == fmt::format("{}:{} {}:{} {}", ip, from.port(), ip, to.port(),
                            has_id ? record.text("id") : ""));
  balancer.process.stop();
  receiver.send_signal(SIGTERM);
  receiver.wait_code();
}

}  // namespace lb::test
