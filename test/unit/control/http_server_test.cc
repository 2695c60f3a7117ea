// The HTTP server over real sockets, client and server taking turns in one thread: what clients get
// that ask, stall, go away, or are too many; and that it can be destroyed in the midst of anything.
#include "lb/control/admin/http_server.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "lb/event/engine_factory.h"
#include "lb/net/socket.h"
#include "test/support/catch.h"
#include "test/support/temp_dir.h"

namespace lb::control {
namespace {

const std::string kGet = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";

// A server whose handler keeps what it is asked, to be answered by the test.
class HttpServerTest {
 public:
  HttpServerTest() {
    event::EngineOptions options;
    options.max_buffers = 16;
    engine_ = *event::make_engine(event::EngineKind::kEpoll, options);
    limits_.request_ms = 2'000;
    limits_.linger_ms = 2'000;
  }

 protected:
  void start(HttpServer::Admit admit = nullptr) {
    address_ = *net::Address::from_unix_path(dir_.path("s"));
    net::UniqueFd listener;
    REQUIRE(net::listen_stream(address_, {}, &listener) == 0);
    server_ = std::make_unique<HttpServer>(
        *engine_, std::move(listener), std::move(admit),
        [this](const HttpRequest& request, HttpServer::Respond respond) {
          asked_.push_back(request);
          responds_.push_back(std::move(respond));
          if (answers_at_once_) responds_.back()(page());
        },
        limits_);
  }

  static HttpResponse page() {
    HttpResponse response;
    response.body = "the page";
    return response;
  }

  net::UniqueFd connect() {
    net::UniqueFd fd(net::open_stream_socket(AF_UNIX));
    REQUIRE(::connect(fd.get(), address_.data(), address_.size_bytes()) == 0);
    return fd;
  }

  void turn() { engine_->run_once(util::mono_now_ms() + 10); }

  void turn_until(const std::function<bool()>& is_so) {
    const auto deadline_ms = util::mono_now_ms() + 20'000;
    while (!is_so()) {
      REQUIRE(util::mono_now_ms() < deadline_ms);
      turn();
    }
  }

  // As much of `text` as is taken; false when the server does not read any more.
  bool send(const net::UniqueFd& fd, std::string_view text) {
    const auto deadline_ms = util::mono_now_ms() + 20'000;
    while (!text.empty() && util::mono_now_ms() < deadline_ms) {
      const ssize_t sent = ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent > 0) text.remove_prefix(static_cast<size_t>(sent));
      if (sent < 0 && errno != EAGAIN) return false;
      turn();
    }
    return text.empty();
  }

  // What comes until the server closes.
  std::string read_to_end(const net::UniqueFd& fd) {
    std::string text;
    turn_until([&] {
      char buffer[4096];
      ssize_t size = 0;
      while ((size = ::recv(fd.get(), buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
        text.append(buffer, static_cast<size_t>(size));
      }
      return size == 0 || errno != EAGAIN;
    });
    return text;
  }

  std::string ask(std::string_view text) {
    const net::UniqueFd fd = connect();
    send(fd, text);
    return read_to_end(fd);
  }

  bool answers() { return ask(kGet).ends_with("\r\n\r\nthe page"); }

  test::TempDir dir_;
  net::Address address_;
  HttpLimits limits_;
  bool answers_at_once_ = true;
  std::vector<HttpRequest> asked_;
  std::vector<HttpServer::Respond> responds_;
  std::unique_ptr<event::Engine> engine_;
  std::unique_ptr<HttpServer> server_;
};

TEST_CASE_METHOD(HttpServerTest, "a request is answered and the connection closed") {
  start();
  net::UniqueFd fd = connect();
  send(fd, kGet);
  const std::string answer = read_to_end(fd);
  // The client has seen the end, and closes first.
  CHECK(server_->connections() == 1);
  fd.reset();
  CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(answer.ends_with("\r\n\r\nthe page"));
  REQUIRE(asked_.size() == 1);
  CHECK(asked_[0].path == "/page");
  CHECK(ask("HEAD /page HTTP/1.1\r\nHost: a\r\n\r\n").ends_with("Connection: close\r\n\r\n"));
  turn_until([&] { return server_->connections() == 0; });
}

TEST_CASE_METHOD(HttpServerTest, "an answer may come later, and be large") {
  answers_at_once_ = false;
  start();
  const net::UniqueFd fd = connect();
  send(fd, kGet);
  turn_until([&] { return responds_.size() == 1; });
  HttpResponse response;
  response.body = std::string(3 << 20, 'x');
  responds_[0](response);
  responds_[0](http_error(500, "only the first answer counts"));
  const std::string answer = read_to_end(fd);
  CHECK(answer.size() > response.body.size());
  CHECK(answer.ends_with(response.body));
}

TEST_CASE_METHOD(HttpServerTest, "a client that has gone before its answer does no harm") {
  answers_at_once_ = false;
  start();
  for (int i = 0; i < 3; ++i) {
    const net::UniqueFd fd = connect();
    send(fd, kGet);
    turn_until([&] { return responds_.size() == static_cast<size_t>(i) + 1; });
  }
  for (const auto& respond : responds_) respond(page());
  turn_until([&] { return server_->connections() == 0; });
  responds_[0](page());
  answers_at_once_ = true;
  CHECK(answers());
}

TEST_CASE_METHOD(HttpServerTest, "bad requests get their status and never reach the handler") {
  start();
  CHECK(ask("nonsense\n\n").starts_with("HTTP/1.1 400 Bad Request\r\n"));
  CHECK(ask(std::string("\x16\x03\x01\x02\x00", 5)).starts_with("HTTP/1.1 400 "));
  CHECK(ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
            .starts_with("HTTP/1.1 413 Content Too Large\r\n"));
  CHECK(asked_.empty());
  CHECK(answers());
}

TEST_CASE_METHOD(HttpServerTest, "an endless line is answered with 431 and cut off") {
  start();
  const net::UniqueFd fd = connect();
  // As long as somebody reads; a gigabyte is far more than the server lets itself be sent.
  const std::string part(1 << 20, 'x');
  size_t parts = 0;
  while (parts < 1024 && send(fd, part)) ++parts;
  CHECK(parts < 8);
  CHECK(read_to_end(fd).starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
  CHECK(asked_.empty());
  turn_until([&] { return server_->connections() == 0; });
  CHECK(answers());
}

TEST_CASE_METHOD(HttpServerTest, "a request that does not come in time is a 408") {
  limits_.request_ms = 50;
  start();
  for (const std::string& part : {std::string(), kGet.substr(0, kGet.size() - 1)}) {
    const net::UniqueFd fd = connect();
    send(fd, part);
    CHECK(read_to_end(fd).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  }
  CHECK(asked_.empty());
}

TEST_CASE_METHOD(HttpServerTest, "a byte at a time does not buy more time") {
  limits_.request_ms = 200;
  start();
  const net::UniqueFd fd = connect();
  const int64_t begin_ms = util::mono_now_ms();
  size_t sent = 0;
  while (server_->connections() == 0) turn();
  while (sent < 8000 && send(fd, "x")) {
    if (util::mono_now_ms() - begin_ms > 1000) break;
    ++sent;
    char byte = 0;
    if (::recv(fd.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1) break;
  }
  CHECK(util::mono_now_ms() - begin_ms < 1000);
  CHECK(read_to_end(fd).starts_with("HTTP/1.1 408 "));
}

TEST_CASE_METHOD(HttpServerTest, "a client that never reads its answer is let go") {
  limits_.request_ms = 50;
  answers_at_once_ = false;
  start();
  const net::UniqueFd fd = connect();
  send(fd, kGet);
  turn_until([&] { return responds_.size() == 1; });
  HttpResponse response;
  response.body = std::string(16 << 20, 'x');
  responds_[0](response);
  turn_until([&] { return server_->connections() == 0; });
}

TEST_CASE_METHOD(HttpServerTest, "a handler that never answers is a 504") {
  limits_.answer_ms = 50;
  answers_at_once_ = false;
  start();
  CHECK(ask(kGet).starts_with("HTTP/1.1 504 Gateway Timeout\r\n"));
  responds_[0](page());
  turn_until([&] { return server_->connections() == 0; });
}

TEST_CASE_METHOD(HttpServerTest, "who is not admitted gets a 403, whatever was asked") {
  start([](int) { return false; });
  CHECK(ask(kGet).starts_with("HTTP/1.1 403 Forbidden\r\n"));
  CHECK(ask("").starts_with("HTTP/1.1 403 Forbidden\r\n"));
  CHECK(asked_.empty());
}

TEST_CASE_METHOD(HttpServerTest, "one client too many is closed at once, and room comes back") {
  limits_.connections = 4;
  start();
  std::vector<net::UniqueFd> held;
  for (size_t i = 0; i < limits_.connections; ++i) held.push_back(connect());
  turn_until([&] { return server_->connections() == limits_.connections; });
  const net::UniqueFd extra = connect();
  CHECK(read_to_end(extra).empty());
  held.clear();
  turn_until([&] { return server_->connections() == 0; });
  CHECK(answers());
}

TEST_CASE_METHOD(HttpServerTest, "it can be destroyed whatever its clients are doing") {
  answers_at_once_ = false;
  start();
  const net::UniqueFd silent = connect();
  const net::UniqueFd halfway = connect();
  send(halfway, "GET /");
  const net::UniqueFd waiting = connect();
  send(waiting, kGet);
  const net::UniqueFd stuck = connect();
  send(stuck, kGet);
  turn_until([&] { return responds_.size() == 2; });
  HttpResponse large;
  large.body = std::string(16 << 20, 'x');
  responds_[1](large);
  const net::UniqueFd lingering = connect();
  send(lingering, "nonsense\n\n");
  turn();
  CHECK(server_->connections() == 5);
  const int64_t begin_ms = util::mono_now_ms();
  server_.reset();
  CHECK(util::mono_now_ms() - begin_ms < 1000);
  for (const auto& respond : responds_) respond(page());
  CHECK(read_to_end(waiting).empty());
}

}  // namespace
}  // namespace lb::control
