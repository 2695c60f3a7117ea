// Both directions of one connection at once, in one thread, with a digest of each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "test/support/socket.h"

namespace lb::test {

struct ExchangePlan {
  uint64_t seed = 0;        // of the stream that is sent
  uint64_t size_bytes = 0;  // how much of it
  // The size of each write; asked before it. Null = 64 KiB.
  std::function<size_t()> next_chunk = {};
  // FIN only once the other side has sent its own.
  bool finish_last = false;
  // RST instead of going on, after this many sent bytes.
  uint64_t reset_after_bytes = UINT64_MAX;
};

struct ExchangeResult {
  std::string sent_sha256;
  std::string received_sha256;
  uint64_t received_bytes = 0;
  Socket::End end = Socket::End::kNone;
};

// Sends as planned while it receives, until both directions have ended. A RST of either side ends
// it early, and says so in `end`.
ExchangeResult exchange(Socket& socket, const ExchangePlan& plan);

}  // namespace lb::test
