#include "lb/health/http_dialogue.h"

#include "test/support/catch.h"

namespace lb::health {
namespace {

using Kind = DialogueStep::Kind;

DialogueStep answer(const config::HTTPCheck& check, std::string_view text,
                    size_t piece_bytes = 1000) {
  HTTPDialogue dialogue(check, "h");
  DialogueStep step = dialogue.begin();
  for (size_t i = 0; i < text.size() && step.kind == Kind::kMore; i += piece_bytes) {
    step = dialogue.on_bytes(text.substr(i, piece_bytes));
  }
  return step;
}

}  // namespace

TEST_CASE("http dialogue: the request") {
  const config::HTTPCheck check = {.path = "/health?full=1", .host = "", .expected = {{200, 200}}};
  CHECK(HTTPDialogue(check, "10.0.0.1:8080").begin().send ==
        "GET /health?full=1 HTTP/1.1\r\nHost: 10.0.0.1:8080\r\n"
        "User-Agent: sluice-health-check\r\nAccept: */*\r\nConnection: close\r\n\r\n");
  const config::HTTPCheck named = {.path = "/", .host = "web.example", .expected = {{200, 200}}};
  CHECK(HTTPDialogue(named, "10.0.0.1:8080").begin().send.find("\r\nHost: web.example\r\n") !=
        std::string::npos);
}

TEST_CASE("http dialogue: a status line is read by the letter") {
  CHECK(parse_status_line("HTTP/1.1 200 OK") == 200);
  CHECK(parse_status_line("HTTP/1.0 503 ") == 503);
  CHECK(parse_status_line("HTTP/1.1 404") == 404);
  for (const std::string_view line :
       {"", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/11 200 OK",
        "HTTP/1.1  200", "http/1.1 200 OK", "HTTP/1.1 2x0 OK", "HTTP/1.1 200OK", "SSH-2.0-x",
        " HTTP/1.1 200 OK", "HTTP/1.1 -20 OK"}) {
    INFO(line);
    CHECK(parse_status_line(line) == -1);
  }
}

TEST_CASE("http dialogue: the expected statuses, and no others") {
  const config::HTTPCheck check = {.path = "/", .host = "", .expected = {{200, 299}, {401, 401}}};
  for (const char* const line : {"HTTP/1.1 200 OK\r\n", "HTTP/1.1 299 \r\n", "HTTP/1.0 401 X\n"}) {
    for (const size_t piece_bytes : {size_t{1}, size_t{7}, size_t{1000}}) {
      CHECK(answer(check, line, piece_bytes).kind == Kind::kSuccess);
    }
  }
  for (const char* const line :
       {"HTTP/1.1 199 X\r\n\r\n", "HTTP/1.1 300 X\r\n", "HTTP/1.1 400 X\r\n", "HTTP/1.1 402 X\r\n",
        "HTTP/1.1 503 X\r\n"}) {
    CHECK(answer(check, line).kind != Kind::kSuccess);
  }
  CHECK(answer(check, "HTTP/1.1 503 X\r\n").why == "HTTP status 503");
  CHECK(answer(check, "SSH-2.0-OpenSSH\r\n").why == R"(no HTTP: "SSH-2.0-OpenSSH")");
}

TEST_CASE("http dialogue: interim answers come before the answer") {
  const config::HTTPCheck check;
  const std::string hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
  for (const size_t piece_bytes : {size_t{1}, size_t{5}, size_t{1000}}) {
    CHECK(answer(check, hints + hints + "HTTP/1.1 200 OK\r\n", piece_bytes).kind == Kind::kSuccess);
    CHECK(answer(check, hints + "HTTP/1.1 500 OK\r\n", piece_bytes).why == "HTTP status 500");
  }
  CHECK(answer(check, hints).kind == Kind::kMore);
  CHECK(answer(check, "HTTP/1.1 101 Switching\r\n").why == "HTTP status 101");
}

TEST_CASE("http dialogue: no endless answer, and none that ends too early") {
  const config::HTTPCheck check;
  const DialogueStep endless = answer(check, std::string(8 * 1024 + 1, 'x'));
  CHECK(endless.kind == Kind::kFailure);
  CHECK(endless.why.starts_with("no HTTP status line in \"xxx"));
  CHECK(answer(check, std::string(8 * 1024, 'x')).kind == Kind::kMore);
  HTTPDialogue dialogue(check, "h");
  dialogue.begin();
  CHECK(dialogue.missing() == "expected an HTTP answer, got nothing");
  dialogue.on_bytes("HTTP/1.1 2");
  CHECK(dialogue.on_end().why == R"(expected an HTTP answer, got "HTTP/1.1 2" and the end)");
}

}  // namespace lb::health
