#include "lb/health/tcp_dialogue.h"

#include <vector>

#include "test/support/catch.h"

namespace lb::health {
namespace {

using Kind = DialogueStep::Kind;

// The last step after `text` has come in pieces of `piece_bytes`.
DialogueStep hear(const config::TCPCheck& check, std::string_view text, size_t piece_bytes) {
  TCPDialogue dialogue(check);
  DialogueStep step = dialogue.begin();
  for (size_t i = 0; i < text.size() && step.kind == Kind::kMore; i += piece_bytes) {
    step = dialogue.on_bytes(text.substr(i, piece_bytes));
  }
  return step;
}

}  // namespace

TEST_CASE("tcp dialogue: without patterns a connection is enough") {
  const config::TCPCheck check = {.send = "QUIT\r\n", .receive = {}};
  TCPDialogue dialogue(check);
  const DialogueStep step = dialogue.begin();
  CHECK(step.kind == Kind::kSuccess);
  CHECK(step.send == "QUIT\r\n");
  CHECK(dialogue.missing() == "the server does not take what is sent");
}

TEST_CASE("tcp dialogue: the patterns come in their order, however the bytes are cut") {
  const config::TCPCheck check = {.send = "", .receive = {"aab", "b", std::string("\0c", 2)}};
  const auto kind = [&](std::string_view text) {
    std::vector<Kind> kinds;
    for (size_t piece_bytes = 1; piece_bytes <= text.size(); ++piece_bytes) {
      kinds.push_back(hear(check, text, piece_bytes).kind);
    }
    for (const Kind other : kinds) CHECK(other == kinds.front());
    return kinds.front();
  };
  CHECK(kind(std::string_view("aabb\0c", 6)) == Kind::kSuccess);
  CHECK(kind(std::string_view("xaaabyyb-\0\0cz", 13)) == Kind::kSuccess);
  // A byte counts for one pattern only, and what comes too early for none.
  CHECK(kind(std::string_view("aab\0c", 5)) == Kind::kMore);
  CHECK(kind(std::string_view("b\0caab", 6)) == Kind::kMore);
}

TEST_CASE("tcp dialogue: what is missing is told, beside what came") {
  const config::TCPCheck check = {.send = "PING\r\n", .receive = {"+PONG"}};
  TCPDialogue dialogue(check);
  CHECK(dialogue.begin().send == "PING\r\n");
  CHECK(dialogue.missing() == R"(expected "+PONG", got nothing)");
  CHECK(dialogue.on_bytes("-NOAUTH\r\n").kind == Kind::kMore);
  CHECK(dialogue.missing() == R"(expected "+PONG", got "-NOAUTH\r\n")");
  CHECK(dialogue.on_end().why == R"(expected "+PONG", got "-NOAUTH\r\n" and the end)");
}

TEST_CASE("tcp dialogue: a server that talks for ever is listened to for 64 KiB") {
  const config::TCPCheck check = {.send = "", .receive = {"never"}};
  TCPDialogue dialogue(check);
  dialogue.begin();
  const std::string text(1024, 'x');
  for (size_t i = 0; i < kMaxDialogueBytes / 1024; ++i) {
    CHECK(dialogue.on_bytes(text).kind == Kind::kMore);
  }
  const DialogueStep step = dialogue.on_bytes("x");
  CHECK(step.kind == Kind::kFailure);
  CHECK(step.why ==
        "expected \"never\", got \"" + std::string(64, 'x') + "\"..., and 64 KiB were enough");
}

}  // namespace lb::health
