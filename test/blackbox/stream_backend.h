// A backend for the tests of splicing: each client says with its first byte what it wants.
#pragma once

#include <atomic>
#include <cstdint>

#include "test/support/tcp_backend.h"

namespace lb::test {

class StreamBackend {
 public:
  static constexpr uint64_t kSeed = 1;

  // What comes after 'e' is sent back. 's' gets a stream of kSeed that ends with FIN after
  // `size_bytes`, 'n' one without an end, 'r' one that goes on until it is reset. 'c' has its own
  // such stream of `size_bytes` read, until FIN, and then gets a "k".
  explicit StreamBackend(uint64_t size_bytes = UINT64_MAX);

  const net::Address& address() const { return backend_.address(); }
  TcpBackend& backend() { return backend_; }
  // What its kernel has taken of all streams.
  uint64_t sent_bytes() const { return sent_bytes_; }
  // Waits until its streams neither go on nor end.
  void wait_stuck() const;
  // Streams that were broken off by the other end.
  int broken() const { return broken_; }
  // Now those of 'r' are reset.
  void let_reset() { may_reset_ = true; }

 private:
  void serve(Socket& socket);
  void send(Socket& socket, uint64_t size_bytes);
  void send_and_reset(Socket& socket);

  const uint64_t size_bytes_;
  std::atomic<uint64_t> sent_bytes_ = 0;
  std::atomic<int> broken_ = 0;
  std::atomic<bool> may_reset_ = false;
  TcpBackend backend_;
};

}  // namespace lb::test
