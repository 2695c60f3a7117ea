// What a check says to a server and what it wants to hear, apart from the socket under it: bytes
// in, bytes out, a verdict. One object a connection; it allocates and waits for nothing. One
// thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace lb::health {

// How a dialogue goes on.
struct DialogueStep {
  enum class Kind {
    kMore,     // the server has to say more
    kSuccess,  // over, once `send` is out
    kFailure,
  };

  static DialogueStep more(std::string send = {}) { return {Kind::kMore, std::move(send), {}}; }
  static DialogueStep success(std::string send = {}) {
    return {Kind::kSuccess, std::move(send), {}};
  }
  static DialogueStep failure(std::string why) { return {Kind::kFailure, {}, std::move(why)}; }

  Kind kind = Kind::kMore;
  std::string send;
  std::string why;  // of a failure, in words
};

class Dialogue {
 public:
  virtual ~Dialogue() = default;

  // The connection is there.
  virtual DialogueStep begin() = 0;
  // At least one byte has come.
  virtual DialogueStep on_bytes(std::string_view bytes) = 0;
  // The server has finished, and says nothing more.
  virtual DialogueStep on_end() = 0;
  // What is missing still, in words, for when time is up.
  virtual std::string missing() const = 0;
};

// What a dialogue reads at most: a server that talks for ever must not keep the thread busy.
inline constexpr size_t kMaxDialogueBytes = 64 * 1024;

}  // namespace lb::health
