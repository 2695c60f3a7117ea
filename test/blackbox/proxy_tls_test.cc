// PROXY headers that tell what a client says in TLS: who waits for its hello and who does not, and
// that the hello itself goes on untouched, behind the header.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lb/net/client_hello.h"
#include "lb/util/crc32c.h"
#include "test/blackbox/peer.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/client_hello.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/port_allocator.h"
#include "test/support/tcp_backend.h"
#include "test/support/temp_dir.h"

namespace lb::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// So long a header waits for a hello at most. Who is served sooner was not kept by it.
constexpr auto kLimit = 5s;

constexpr int kALPN = 1;
constexpr int kAuthority = 2;
constexpr int kCRC32C = 3;
constexpr int kUniqueID = 5;

std::string tlvs(const std::string& names) {
  return "proxyProtocol = { version = \"V2\", tlvs = [" + names + "] }";
}

const std::string kBoth = tlvs("\"authority\", \"alpn\"");

using Values = std::map<int, std::string>;  // of a header, by type

size_t number(std::string_view two_bytes) {
  return static_cast<size_t>(static_cast<unsigned char>(two_bytes[0])) << 8 |
         static_cast<unsigned char>(two_bytes[1]);
}

// A header of a client over IPv4, whole.
Values values_of(std::string_view header) {
  constexpr size_t kAddressesBytes = 12;
  if (!header.starts_with(std::string_view("\r\n\r\n\0\r\nQUIT\n\x21\x11", 14))) {
    throw Failure("no header");
  }
  header.remove_prefix(16 + kAddressesBytes);
  Values values;
  while (!header.empty()) {
    const size_t size_bytes = number(header.substr(1, 2));
    values[header[0]] = header.substr(3, size_bytes);
    header.remove_prefix(3 + size_bytes);
  }
  return values;
}

std::string read_header(Socket& socket) {
  const std::string start = socket.recv_exactly(16);
  return start + socket.recv_exactly(number(std::string_view(start).substr(14)));
}

// Keeps the header of each connection, and sends everything behind it back.
class Receiver {
 public:
  Receiver()
      : backend_([this](Socket& socket) {
          add(read_header(socket));
          echo(socket);
        }) {}

  const net::Address& address() const { return backend_.address(); }
  TcpBackend& backend() { return backend_; }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return headers_.size();
  }
  // Of the n-th connection, waited for.
  std::string header(size_t n = 0) {
    if (!eventually([&] { return count() > n; }, 20s)) {
      backend_.check();
      throw Failure("no header has come");
    }
    const std::lock_guard lock(mutex_);
    return headers_[n];
  }

 private:
  void add(std::string header) {
    const std::lock_guard lock(mutex_);
    headers_.push_back(std::move(header));
  }

  std::mutex mutex_;  // guards headers_
  std::vector<std::string> headers_;
  TcpBackend backend_;
};

// In pieces of so many bytes, as segments of their own that come one by one.
void send_slowly(Socket& socket, std::string_view text, size_t piece_bytes) {
  const int on = 1;
  setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  for (; !text.empty(); text.remove_prefix(std::min(piece_bytes, text.size()))) {
    socket.send(text.substr(0, piece_bytes));
    std::this_thread::sleep_for(500us);
  }
}

std::vector<std::string> splice_modes() { return {"auto", "always", "off"}; }

}  // namespace

TEST_CASE("the name and the first protocol of a TLS client are told, and its hello follows") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto mode = GENERATE(from_range(splice_modes()));
  INFO(engine << ", " << mode);
  Receiver receiver;
  Balancer balancer(engine, {receiver.address()},
                    {.service = kBoth, .runtime = "splice = \"" + mode + "\"\nworkers = 1"});
  const std::string hello =
      make_client_hello({.server_name = "www.example.com", .protocols = {"h2", "http/1.1"}});
  const std::string big = make_client_hello(
      {.server_name = "www.example.com", .protocols = {"h2", "http/1.1"}, .extra_bytes = 58'000});
  struct Case {
    std::string stream;
    size_t piece_bytes;
  };
  const std::vector<Case> cases = {{hello, hello.size()},
                                   {hello, 1},
                                   {in_records(hello, 7), 10'000},
                                   {in_records(hello, 100), 50},
                                   {in_records(hello, 1), 1},
                                   {big, big.size()},
                                   {big, 7'000},
                                   {in_records(big, 1'500), 30'000},
                                   {hello + "and early data", 90}};
  for (size_t i = 0; i < cases.size(); ++i) {
    INFO("case " << i);
    const Clock::time_point begin = Clock::now();
    Socket client = balancer.connect();
    send_slowly(client, cases[i].stream, cases[i].piece_bytes);
    CHECK(values_of(receiver.header(i)) == Values{{kALPN, "h2"}, {kAuthority, "www.example.com"}});
    CHECK(client.recv_exactly(cases[i].stream.size()) == cases[i].stream);
    CHECK(Clock::now() - begin < kLimit);
    client.finish();
    CHECK_NOTHROW(client.expect_fin());
    const AccessRecord record = balancer.process().wait_record(client.local_address().to_string());
    CHECK(record.number("bytes_in") == static_cast<int64_t>(cases[i].stream.size()));
  }
  balancer.process().stop();
}

TEST_CASE("the header waits for the rest of the hello, and the server's bytes do not") {
  const auto engine = SLUICE_EACH_ENGINE();
  const std::string hello = make_client_hello({.server_name = "a.example"});
  std::string header;
  TcpBackend backend([&](Socket& socket) {
    socket.send("220 hello\r\n");
    socket.expect_silence(300ms);
    socket.send("go on");
    header = read_header(socket);
    if (socket.recv_exactly(hello.size()) != hello) throw Failure("not the hello");
  });
  Balancer balancer(engine, {backend.address()}, {.service = kBoth});
  Socket client = balancer.connect();
  client.send(std::string_view(hello).substr(0, 100));
  CHECK(client.recv_exactly(16) == "220 hello\r\ngo on");
  client.send(std::string_view(hello).substr(100));
  CHECK_NOTHROW(backend.wait_finished(1));
  CHECK(values_of(header) == Values{{kAuthority, "a.example"}});
  client.close();
  balancer.process().stop();
}

TEST_CASE("a client without TLS is not waited for, and neither is one that is malformed") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto first = GENERATE(as<std::string>(), "G", "GET / HTTP/1.1\r\n\r\n", "\x16\x02\x01",
                              "\x16\x03\x01\x01\x01\x02 a server's hello");
  Receiver receiver;
  Balancer balancer(engine, {receiver.address()}, {.service = kBoth});
  const Clock::time_point begin = Clock::now();
  Socket client = balancer.connect();
  if (first.size() == 3) {
    client.send(first + std::string(6, 'x'));
    CHECK(client.recv_exactly(9).starts_with(first));
  } else {
    client.send(first);
    CHECK(client.recv_exactly(first.size()) == first);
  }
  CHECK(values_of(receiver.header()).empty());
  CHECK(Clock::now() - begin < kLimit);
  client.close();
  balancer.process().stop();
}

// The only one that is timed, since it is about time.
TEST_CASE("a client that says nothing is waited for no longer than 5 s, and is served then") {
  const auto engine = SLUICE_EACH_ENGINE();
  const bool says_some = GENERATE(true, false);
  const std::string hello = make_client_hello({.server_name = "a.example", .protocols = {"h2"}});
  const std::string begun = says_some ? hello.substr(0, 60) : "";
  std::string header;
  TcpBackend backend([&](Socket& socket) {
    header = read_header(socket);
    socket.send("220 hello\r\n");
    echo(socket);
  });
  Balancer balancer(engine, {backend.address()}, {.service = kBoth});
  const Clock::time_point begin = Clock::now();
  Socket client = balancer.connect();
  client.send(begun);
  CHECK(client.recv_exactly(11) == "220 hello\r\n");
  const auto waited = Clock::now() - begin;
  CHECK(waited > kLimit - 100ms);
  CHECK(waited < kLimit + patience(3s));
  CHECK(client.recv_exactly(begun.size()) == begun);
  const std::string rest = hello.substr(begun.size());
  client.send(rest);
  CHECK(client.recv_exactly(rest.size()) == rest);
  client.finish();
  CHECK_NOTHROW(client.expect_fin());
  CHECK_NOTHROW(backend.wait_finished(1));
  CHECK(values_of(header).empty());
  balancer.process().stop();
}

TEST_CASE("a client that ends amid its hello is relayed as any other") {
  const auto engine = SLUICE_EACH_ENGINE();
  const size_t size_bytes = GENERATE(as<size_t>(), 0, 1, 100);
  const std::string hello = make_client_hello({.server_name = "a.example"});
  const std::string begun = hello.substr(0, size_bytes);
  Receiver receiver;
  Balancer balancer(engine, {receiver.address()}, {.service = kBoth});
  const Clock::time_point begin = Clock::now();
  Socket client = balancer.connect();
  client.send(begun);
  client.finish();
  std::string back;
  const Socket::End end = client.recv_to_end([&](std::span<const std::byte> bytes) {
    back.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  CHECK(end == Socket::End::kFIN);
  CHECK(back == begun);
  CHECK(Clock::now() - begin < kLimit);
  CHECK(values_of(receiver.header()).empty());
  const AccessRecord record = balancer.process().wait_record(client.local_address().to_string());
  CHECK(record.close_word() == "client_fin");
  balancer.process().stop();
}

TEST_CASE("a whole hello with its client's FIN behind it is told") {
  const auto engine = SLUICE_EACH_ENGINE();
  const std::string hello = make_client_hello({.server_name = "a.example"});
  Receiver receiver;
  Balancer balancer(engine, {receiver.address()}, {.service = kBoth});
  Socket client = balancer.connect();
  client.send(hello);
  client.finish();
  CHECK(client.recv_exactly(hello.size()) == hello);
  CHECK_NOTHROW(client.expect_fin());
  CHECK(values_of(receiver.header()) == Values{{kAuthority, "a.example"}});
  balancer.process().stop();
}

TEST_CASE("a client that resets amid its hello is noticed at once") {
  const auto engine = SLUICE_EACH_ENGINE();
  const size_t size_bytes = GENERATE(as<size_t>(), 0, 100);
  const std::string hello = make_client_hello({.server_name = "a.example"});
  Socket::End end = Socket::End::kNone;
  TcpBackend backend(
      [&](Socket& socket) { end = socket.recv_to_end([](std::span<const std::byte>) {}); });
  Balancer balancer(engine, {backend.address()}, {.service = kBoth});
  Socket client = balancer.connect();
  const std::string from = client.local_address().to_string();
  client.send(hello.substr(0, size_bytes));
  client.wait_acknowledged();
  REQUIRE(eventually([&] { return backend.accepted() == 1; }));
  client.reset();
  const AccessRecord record = balancer.process().wait_record(from);
  INFO(record.line());
  CHECK(record.close_word() == "client_reset");
  CHECK(record.number("duration_ms") < 4'000);
  CHECK_NOTHROW(backend.wait_finished(1));
  CHECK(end == Socket::End::kRST);
  balancer.process().stop();
}

TEST_CASE("the end of a drain does not wait for a hello") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(hold);
  Balancer balancer(engine, {backend.address()}, {.service = kBoth});
  const Clock::time_point begin = Clock::now();
  Socket silent = balancer.connect();
  Socket slow = balancer.connect();
  slow.send(make_client_hello({.server_name = "a.example"}).substr(0, 50));
  slow.wait_acknowledged();
  REQUIRE(eventually([&] { return backend.accepted() == 2; }));
  balancer.process().send_signal(SIGTERM);
  balancer.process().send_signal(SIGINT);
  CHECK_NOTHROW(silent.expect_reset());
  CHECK_NOTHROW(slow.expect_reset());
  CHECK(balancer.process().wait_exit() == 0);
  CHECK(Clock::now() - begin < kLimit);
}

TEST_CASE("what a hello says is told to the server that accepts, after one that does not") {
  const auto engine = SLUICE_EACH_ENGINE();
  Receiver receiver;
  const net::Address dead = ip_address("127.0.0.1", allocate_port());
  Balancer balancer(
      engine, {dead, receiver.address()},
      {.service = kBoth + "\nloadBalancer.type = \"RoundRobin\"", .runtime = "workers = 1"});
  const std::string hello = make_client_hello({.server_name = "a.example", .protocols = {"x"}});
  int64_t most_attempts = 0;
  for (size_t i = 0; i < 4; ++i) {
    Socket client = balancer.connect();
    client.send(hello);
    CHECK(client.recv_exactly(hello.size()) == hello);
    CHECK(values_of(receiver.header(i)) == Values{{kALPN, "x"}, {kAuthority, "a.example"}});
    client.finish();
    CHECK_NOTHROW(client.expect_fin());
    const AccessRecord record = balancer.process().wait_record(client.local_address().to_string());
    most_attempts = std::max(most_attempts, record.number("attempts"));
  }
  CHECK(most_attempts == 2);
  balancer.process().stop();
}

TEST_CASE("of a hello what was asked for is told, beside what else was") {
  const auto engine = SLUICE_EACH_ENGINE();
  Receiver receiver;
  const std::string names =
      GENERATE(as<std::string>(), "\"authority\"", "\"alpn\"", "\"uniqueId\", \"crc32c\"",
               "\"authority\", \"alpn\", \"uniqueId\", \"crc32c\"");
  INFO(engine << ", " << names);
  const auto wants = [&](const char* name) { return names.find(name) != std::string::npos; };
  Balancer balancer(engine, {receiver.address()}, {.service = tlvs(names)});
  const std::string hello = make_client_hello({.server_name = "a.example", .protocols = {"h2"}});
  Socket client = balancer.connect();
  client.send(hello);
  CHECK(client.recv_exactly(hello.size()) == hello);
  const std::string from = client.local_address().to_string();
  client.close();
  const AccessRecord record = balancer.process().wait_record(from);
  std::string header = receiver.header();
  Values values = values_of(header);
  CHECK(values[kAuthority] == (wants("authority") ? "a.example" : ""));
  CHECK(values[kALPN] == (wants("alpn") ? "h2" : ""));
  CHECK(values[kUniqueID] == (wants("uniqueId") ? record.text("id") : ""));
  if (wants("crc32c")) {
    REQUIRE(values[kCRC32C].size() == 4);
    REQUIRE(header.ends_with(values[kCRC32C]));
    header.replace(header.size() - 4, 4, 4, '\0');
    const uint32_t sum = util::crc32c(header);
    const std::string expected = {static_cast<char>(sum >> 24), static_cast<char>(sum >> 16 & 0xff),
                                  static_cast<char>(sum >> 8 & 0xff),
                                  static_cast<char>(sum & 0xff)};
    CHECK(values[kCRC32C] == expected);
  }
  balancer.process().stop();
}

TEST_CASE("a name that is none is told to nobody") {
  const auto engine = SLUICE_EACH_ENGINE();
  Receiver receiver;
  Balancer balancer(engine, {receiver.address()}, {.service = kBoth});
  const auto name = GENERATE(as<std::string>(), "a\r\nx: y", "\x1b[2J", "a b", "a/../b");
  const std::string hello = make_client_hello({.server_name = name, .protocols = {"h2"}});
  Socket client = balancer.connect();
  client.send(hello);
  CHECK(client.recv_exactly(hello.size()) == hello);
  CHECK(values_of(receiver.header()) == Values{{kALPN, "h2"}});
  client.close();
  balancer.process().stop();
}

namespace {

// What `openssl s_client` says to whom it finds at this address, and what it hears.
CommandResult openssl_client(const net::Address& address, const TempDir& dir) {
  return run_command({.argv = {"openssl", "s_client", "-connect", address.to_string(),
                               "-servername", "www.example.com", "-alpn", "h2,http/1.1", "-quiet"},
                      .stdin_path = dir.write("request", "GET / HTTP/1.0\r\n\r\n")});
}

std::string haproxy_config(uint16_t port, const std::string& certificate) {
  return "defaults\nmode http\ntimeout connect 20s\ntimeout client 20s\ntimeout server 20s\n"
         "frontend f\nbind 127.0.0.1:" +
         std::to_string(port) + " accept-proxy ssl crt " + certificate +
         " alpn http/1.1\n"
         "http-request return status 200 content-type text/plain lf-string "
         "\"%[src]:%[src_port] %[fc_pp_authority] %[ssl_fc_sni] %[ssl_fc_alpn]"
         " %[fc_pp_unique_id]\"\n";
}

}  // namespace

TEST_CASE("a real client's hello is told") {
  const auto engine = SLUICE_EACH_ENGINE();
  if (!have_programs({"openssl"})) return;
  const TempDir dir;
  std::string header;
  std::string first;
  TcpBackend backend([&](Socket& socket) {
    header = read_header(socket);
    first = socket.recv_some();
  });
  Balancer balancer(engine, {backend.address()}, {.service = kBoth});
  openssl_client(balancer.address(), dir);
  CHECK_NOTHROW(backend.wait_finished(1));
  CHECK(values_of(header) == Values{{kALPN, "h2"}, {kAuthority, "www.example.com"}});
  const net::HelloReading reading = net::read_client_hello(std::as_bytes(std::span(first)));
  CHECK(reading.outcome == net::HelloReading::Outcome::kFound);
  CHECK(reading.hello.server_name == "www.example.com");
  balancer.process().stop();
}

TEST_CASE("HAProxy is told the name by the header and by the handshake behind it") {
  const auto engine = SLUICE_EACH_ENGINE();
  if (!have_programs({"haproxy", "openssl"})) return;
  const TempDir dir;
  make_certificate(dir);
  const CommandResult joined =
      run_command({.argv = {"cat", dir.path("cert.pem"), dir.path("key.pem")}});
  const net::Address address = ip_address("127.0.0.1", allocate_port());
  const std::string config =
      dir.write("config", haproxy_config(address.port(), dir.write("both.pem", joined.out)));
  ChildProcess haproxy({.argv = {"haproxy", "-db", "-f", config}});
  REQUIRE_NOTHROW(wait_listening(address));
  Balancer balancer(engine, {address},
                    {.service = tlvs("\"authority\", \"alpn\", \"uniqueId\", \"crc32c\"")});
  const CommandResult heard = openssl_client(balancer.address(), dir);
  INFO(heard.out << heard.err);
  const AccessRecord record = balancer.process().wait_records(1).front();
  CHECK_THAT(heard.out,
             Catch::Contains(record.text("client") + " www.example.com www.example.com http/1.1 " +
                             record.text("id")));
  balancer.process().stop();
  haproxy.send_signal(SIGTERM);
  haproxy.wait_code();
}

}  // namespace lb::test
