// One end of a stream connection in a test script. Every call does all of what it says or throws
// Failure, within a deadline; one thread at a time. The descriptor itself is non-blocking.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "lb/net/address.h"
#include "lb/net/fd.h"
#include "test/support/byte_stream.h"

namespace lb::test {

constexpr std::chrono::milliseconds kSocketPatience = std::chrono::seconds(20);

struct ConnectOptions {
  int receive_buffer_bytes = 0;  // 0 = the kernel's choice
  std::chrono::milliseconds patience = kSocketPatience;
};

class Socket {
 public:
  // How a stream of bytes ended: by FIN, by RST, or not before the deadline.
  enum class End { kFIN, kRST, kNone };

  Socket() = default;
  // `stop_fd`, if given, is a descriptor that makes every call throw once it is readable.
  explicit Socket(net::UniqueFd fd, std::chrono::milliseconds patience = kSocketPatience,
                  int stop_fd = -1);

  static Socket connect(const net::Address& address, const ConnectOptions& options = {});
  // The same, but a connection that fails is an answer: then `error` is its errno and the socket
  // is not open. ETIMEDOUT when nothing was decided within options.patience.
  static Socket try_connect(const net::Address& address, const ConnectOptions& options, int& error);

  bool is_open() const { return fd_.is_open(); }
  int fd() const { return fd_.get(); }
  net::Address local_address() const;
  net::Address peer_address() const;

  void send(std::span<const std::byte> bytes);
  void send(std::string_view text) { send(std::as_bytes(std::span(text))); }
  // `size_bytes` of `stream`, in writes of at most `chunk_bytes`.
  void send_stream(ByteStream& stream, uint64_t size_bytes, size_t chunk_bytes = 64 * 1024);
  // Sends without waiting: the count that the kernel took, 0 when its buffer is full.
  size_t send_now(std::span<const std::byte> bytes);

  std::string recv_exactly(size_t size_bytes);
  // What is there, at least one byte, or empty at a FIN.
  std::string recv_some(size_t max_bytes = 64 * 1024);
  // The next `size_bytes` of the connection are the next of `stream`.
  void recv_stream(ByteStream& stream, uint64_t size_bytes);
  // Reads whatever comes until the stream ends or `patience` is over without it.
  End recv_to_end(const std::function<void(std::span<const std::byte>)>& consume,
                  std::optional<std::chrono::milliseconds> patience = std::nullopt);

  void expect_fin();    // the next thing to read is a FIN
  void expect_reset();  // ... a RST
  // Nothing comes for `duration`: no byte, no FIN, no RST.
  void expect_silence(std::chrono::milliseconds duration);

  // Half-close: FIN after everything sent.
  void finish();
  // Closes with a RST, and throws away what the kernel still has to send.
  void reset();
  void close() { fd_.reset(); }

  void set_receive_buffer(int size_bytes);
  // Bytes that the other end's kernel has not acknowledged yet (SIOCOUTQ).
  uint64_t unacknowledged_bytes() const;
  // Waits until the other end's kernel has everything that was sent.
  void wait_acknowledged();

 private:
  void wait_for(short events, std::chrono::steady_clock::time_point deadline, const char* what);
  std::chrono::steady_clock::time_point deadline() const;
  // recv(2) that waits; 0 = FIN, -errno when the connection is broken.
  ssize_t recv_raw(std::span<std::byte> buffer, std::chrono::steady_clock::time_point deadline);

  net::UniqueFd fd_;
  std::chrono::milliseconds patience_ = kSocketPatience;
  int stop_fd_ = -1;
};

// An address that must be valid: "127.0.0.1", "::1".
net::Address ip_address(std::string_view ip, uint16_t port);
net::Address unix_address(std::string_view path);

}  // namespace lb::test
