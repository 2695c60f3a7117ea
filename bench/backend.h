// The server behind the proxy: echoes, discards or sends, as the first byte of each connection asks
// (stream_pattern.h). Lives on one poller's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "bench/error_counts.h"
#include "bench/poller.h"
#include "bench/stream_pattern.h"
#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace lb::bench {

class Backend final : private Watcher {
 public:
  // -errno when it cannot listen; port 0 lets the kernel pick one.
  static int start(Poller& poller, const net::Address& address, std::unique_ptr<Backend>* out);
  ~Backend();
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  net::Address address() const;
  // Of all connections so far. A reset by the client is no error here: it shows on its side.
  uint64_t received_bytes() const { return received_bytes_; }
  const ErrorCounts& errors() const { return errors_; }

 private:
  struct Connection;

  explicit Backend(Poller& poller);
  void on_ready(uint32_t events) override;
  Connection& free_connection();

  Poller& poller_;
  net::UniqueFd listener_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> free_;
  uint64_t received_bytes_ = 0;
  ErrorCounts errors_;
};

}  // namespace lb::bench
