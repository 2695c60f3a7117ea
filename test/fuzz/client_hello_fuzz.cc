// Any bytes as the beginning of a client's stream: no crash; an answer that stands when more bytes
// come, and nothing in it that could not be written into a log.
#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "lb/net/client_hello.h"
#include "test/fuzz/fuzz_target.h"

namespace lb::fuzz {
namespace {

using Outcome = net::HelloReading::Outcome;

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

void check_found(const net::ClientHello& hello) {
  require(hello.server_name.size() <= net::kMaxServerNameBytes, "a name is bounded");
  require(is_printable(hello.server_name), "a name is printable");
  for (const std::string& protocol : hello.protocols) {
    require(!protocol.empty() && protocol.size() <= 255, "a protocol is bounded");
    require(is_printable(protocol), "a protocol is printable");
  }
}

}  // namespace

void fuzz_one(const uint8_t* data, size_t size_bytes) {
  const std::span stream(reinterpret_cast<const std::byte*>(data), size_bytes);
  const net::HelloReading whole = net::read_client_hello(stream);
  if (whole.outcome == Outcome::kFound) check_found(whole.hello);
  if (whole.outcome == Outcome::kNeedsMore) {
    require(whole.needed_bytes > size_bytes, "what is needed is more");
    require(whole.needed_bytes <= net::kMaxHelloBytes, "and bounded");
  }
  // As far as the last bytes do not matter, the answer is the same without them.
  for (const size_t there : {size_bytes / 2, size_bytes - std::min<size_t>(size_bytes, 1)}) {
    const net::HelloReading part = net::read_client_hello(stream.first(there));
    if (part.outcome == Outcome::kNeedsMore) {
      const bool is_done = whole.outcome == Outcome::kFound;
      require(!is_done || part.needed_bytes <= size_bytes, "no more is asked for than there is");
    } else {
      require(part.outcome == whole.outcome, "an answer stands");
      require(part.hello.server_name == whole.hello.server_name, "and so does a name");
      require(part.hello.protocols == whole.hello.protocols, "and the protocols");
    }
  }
}

}  // namespace lb::fuzz
