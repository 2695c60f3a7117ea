// Requests, whole and in pieces, good and bad: what the parser makes of them, and that it keeps to
// its bounds.
#include "lb/control/admin/http_request.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "lb/util/random.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::control {
namespace {

using State = HttpRequestParser::State;

const std::string kGet = "GET /status?verbose=1 HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string kPost =
    "POST /diff HTTP/1.1\r\nhOsT:x\r\ncontent-LENGTH: \t5 \r\nX-A: \xc3\xa4 b\r\n\r\nhello";

HttpRequestParser parsed(std::string_view text) {
  HttpRequestParser parser;
  parser.feed(text);
  return parser;
}

// The status that the text is answered with; 0 = it is a request, -1 = it is not whole.
int verdict(std::string_view text) {
  HttpRequestParser parser;
  switch (parser.feed(text)) {
    case State::kDone:
      return 0;
    case State::kMore:
      return -1;
    case State::kBad:
      break;
  }
  CHECK(nlohmann::json::parse(parser.error().body).at("error").is_string());
  return parser.error().status;
}

// A request whose header has this line.
std::string with_line(std::string_view line) {
  return fmt::format("POST / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", line);
}

TEST_CASE("a request is taken apart") {
  const HttpRequestParser get = parsed(kGet);
  CHECK(get.request().method == "GET");
  CHECK(get.request().path == "/status");
  CHECK(get.request().query == "verbose=1");
  CHECK(get.request().body.empty());
  const HttpRequestParser post = parsed(kPost);
  CHECK(post.request().method == "POST");
  CHECK(post.request().path == "/diff");
  CHECK(post.request().query.empty());
  CHECK(post.request().body == "hello");
}

TEST_CASE("a request may come in pieces of any size") {
  for (const std::string& text : {kGet, kPost}) {
    for (size_t cut = 0; cut < text.size(); ++cut) {
      INFO("cut at " << cut);
      HttpRequestParser parser;
      CHECK(parser.feed(text.substr(0, cut)) == State::kMore);
      CHECK(parser.feed(text.substr(cut)) == State::kDone);
      CHECK(parser.request().body == parsed(text).request().body);
    }
    HttpRequestParser parser;
    for (size_t i = 0; i + 1 < text.size(); ++i) {
      REQUIRE(parser.feed(text.substr(i, 1)) == State::kMore);
    }
    CHECK(parser.feed(text.substr(text.size() - 1)) == State::kDone);
    CHECK(parser.request().path == parsed(text).request().path);
  }
}

TEST_CASE("what HTTP allows is taken") {
  CHECK(verdict("GET / HTTP/1.0\r\n\r\n") == 0);
  CHECK(verdict("GET / HTTP/1.1\nHost: a\n\n") == 0);
  CHECK(verdict("GET / HTTP/1.1\nHost: a\n\r\n") == 0);
  CHECK(verdict("GET / HTTP/1.1\r\nHost:\r\n\r\n") == 0);
  CHECK(verdict("BREW / HTTP/1.1\r\nHost: a\r\n\r\n") == 0);
  CHECK(verdict(kGet + "GET /next") == 0);
  CHECK(parsed("GET http://a:1/ready?x HTTP/1.1\r\nHost: a\r\n\r\n").request().path == "/ready");
  CHECK(parsed("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n").request().path == "/");
  CHECK(parsed(kPost + "more").request().body == "hello");
}

TEST_CASE("what is no request is a 400") {
  for (const std::string& text : {std::string("\r\n"),
                                  std::string("\x16\x03\x01\x02"),
                                  std::string(1, '\0'),
                                  std::string("GET\r\n\r\n"),
                                  std::string("GET /\r\n\r\n"),
                                  std::string("GET /a b HTTP/1.1\r\n\r\n"),
                                  std::string("GET / FTP/1.1\r\n\r\n"),
                                  std::string("G@T / HTTP/1.1\r\nHost: a\r\n\r\n"),
                                  std::string("GET status HTTP/1.1\r\nHost: a\r\n\r\n"),
                                  std::string("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"),
                                  std::string("GET / HTTP/1.1\r\n\r\n"),
                                  with_line("Host: b"),
                                  with_line("no colon"),
                                  with_line(" folded: x"),
                                  with_line("X : blank"),
                                  with_line(": x"),
                                  with_line("X: a\rb"),
                                  with_line(std::string("X: a\0b", 6)),
                                  with_line("Content-Length: 5\r\nContent-Length: 5"),
                                  with_line("Content-Length: -1"),
                                  with_line("Content-Length: +1"),
                                  with_line("Content-Length: 0x10"),
                                  with_line("Content-Length:"),
                                  with_line("Content-Length: 1 1")}) {
    INFO(text);
    CHECK(verdict(text) == 400);
  }
}

TEST_CASE("what is not done here has a status of its own") {
  CHECK(verdict("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == 505);
  CHECK(verdict(with_line("Transfer-Encoding: chunked")) == 501);
  CHECK(verdict(with_line("Expect: 100-continue")) == 417);
  CHECK(verdict(with_line("Content-Length: 65537")) == 413);
  CHECK(verdict(with_line("Content-Length: 99999999999999999999999999")) == 413);
  CHECK(verdict(with_line("Content-Length: 65536")) == -1);
  CHECK(verdict(with_line("Content-Length: 65536") + std::string(65536, 'x')) == 0);
}

TEST_CASE("the head has a bound, whatever it is made of") {
  const std::string begin = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  const size_t room = kMaxHeadBytes - begin.size() - 4;
  CHECK(verdict(begin + std::string(room, 'x') + "\r\n\r\n") == 0);
  CHECK(verdict(begin + std::string(room + 1, 'x') + "\r\n\r\n") == 431);
  CHECK(verdict(std::string(kMaxHeadBytes, 'x')) == -1);
  CHECK(verdict(std::string(kMaxHeadBytes + 1, 'x')) == 431);
  // A line without end, as it comes: cut off, and deaf from then on.
  HttpRequestParser parser;
  size_t taken = 0;
  while (parser.feed(std::string(1000, 'x')) == State::kMore) taken += 1000;
  CHECK(taken <= kMaxHeadBytes);
  CHECK(parser.feed("\r\n\r\n") == State::kBad);
  CHECK(parser.error().status == 431);
}

TEST_CASE("garbage never upsets the parser") {
  util::Random random(test::test_seed());
  const std::string alphabet("GETPOS /:.HTTP11\r\n\r\n\r\nHost: a\0\xff 5Content-Length", 48);
  for (int round = 0; round < 20'000; ++round) {
    HttpRequestParser parser;
    std::string text = round % 2 == 0 ? kPost : "";
    for (uint64_t i = random.below(64); i > 0; --i) text += alphabet[random.below(48)];
    if (round % 2 == 0) text[random.below(text.size())] = alphabet[random.below(48)];
    State state = State::kMore;
    while (!text.empty() && state == State::kMore) {
      const size_t piece = 1 + random.below(text.size());
      state = parser.feed(text.substr(0, piece));
      text.erase(0, piece);
    }
    if (state == State::kBad) REQUIRE(parser.error().status >= 400);
    if (state == State::kDone) REQUIRE(parser.request().path.starts_with('/'));
  }
}

TEST_CASE("a response is whole, and says that it is the last") {
  HttpResponse response;
  response.body = "{}";
  const std::string text = http_text(response, false);
  CHECK(text.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(text.find("\r\nContent-Type: application/json\r\n") != std::string::npos);
  CHECK(text.find("\r\nContent-Length: 2\r\n") != std::string::npos);
  CHECK(text.find("\r\nConnection: close\r\n") != std::string::npos);
  CHECK(text.ends_with("\r\n\r\n{}"));
  const std::string head = http_text(response, true);
  CHECK(head.find("Content-Length: 2") != std::string::npos);
  CHECK(head.ends_with("\r\n\r\n"));
  HttpResponse refusal = http_error(405, "a \"b\" \xff");
  refusal.allow = "POST";
  CHECK(http_text(refusal, false).find("\r\nAllow: POST\r\n") != std::string::npos);
  CHECK(nlohmann::json::parse(refusal.body).at("error") == "a \"b\" \xef\xbf\xbd");
}

}  // namespace
}  // namespace lb::control
