// The demo's HTTP server over real sockets: what it answers, and that it goes away when destroyed.
#include "lb/control/demo_backend.h"

#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "lb/net/fd.h"
#include "test/support/catch.h"

using lb::control::DemoBackend;

namespace {

std::unique_ptr<DemoBackend> start(const std::string& name) {
  absl::StatusOr<std::unique_ptr<DemoBackend>> backend = DemoBackend::start(name);
  REQUIRE(backend.ok());
  return std::move(*backend);
}

std::string get(uint16_t port, const std::string& path, const httplib::Headers& headers) {
  httplib::Client client("127.0.0.1", port);
  const httplib::Result result = client.Get(path, headers);
  REQUIRE(result);
  REQUIRE(result->status == 200);
  return result->body;
}

}  // namespace

TEST_CASE("the demo backend shows the request's headers as JSON") {
  const std::unique_ptr<DemoBackend> backend = start("one");
  const std::string body =
      get(backend->port(), "/headers", {{"Host", "localhost:8000"}, {"X-Trace", "a \"b\""}});

  // As curl shows it to the reader of the guide.
  CHECK(body.find("    \"Host\": \"localhost:8000\"") != std::string::npos);
  const nlohmann::json headers = nlohmann::json::parse(body).at("headers");
  CHECK(headers.at("X-Trace") == "a \"b\"");
  CHECK_FALSE(headers.contains("REMOTE_ADDR"));
  CHECK_FALSE(headers.contains("LOCAL_PORT"));
}

TEST_CASE("the demo backend joins a header that comes twice") {
  const std::unique_ptr<DemoBackend> backend = start("one");
  const std::string body = get(backend->port(), "/headers", {{"X-A", "1"}, {"X-A", "2"}});
  CHECK(nlohmann::json::parse(body).at("headers").at("X-A") == "1, 2");
}

TEST_CASE("the demo backend answers a header that is not UTF-8") {
  const std::unique_ptr<DemoBackend> backend = start("one");
  const std::string body = get(backend->port(), "/headers", {{"X-A", "a\xff"}});
  CHECK(nlohmann::json::parse(body).at("headers").at("X-A") == "a\xef\xbf\xbd");
}

TEST_CASE("the demo backend greets with its name") {
  const std::unique_ptr<DemoBackend> backend = start("backend-7");
  const std::string body = get(backend->port(), "/", {});
  CHECK(body.find("backend-7") != std::string::npos);
  CHECK(body.back() == '\n');
}

TEST_CASE("demo backends listen side by side, on 127.0.0.1 only, until they are destroyed") {
  const std::unique_ptr<DemoBackend> other = start("other");
  std::unique_ptr<DemoBackend> backend = start("one");
  const uint16_t port = backend->port();
  CHECK(port != other->port());

  const auto connect_to = [port](const char* ip) {
    const lb::net::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    REQUIRE(::inet_pton(AF_INET, ip, &address.sin_addr) == 1);
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  };
  CHECK(connect_to("127.0.0.1"));
  CHECK_FALSE(connect_to("127.0.0.2"));
  backend.reset();
  CHECK_FALSE(connect_to("127.0.0.1"));
  CHECK_FALSE(get(other->port(), "/", {}).empty());
}

TEST_CASE("a demo backend that is destroyed at once does not hang") {
  for (int i = 0; i < 50; ++i) start("one");
}
