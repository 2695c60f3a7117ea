// The bytes of a bulk stream: a fixed table of prime length, repeated, so that a byte says where in
// the stream it belongs and a lost, doubled or swapped piece is seen. The first byte of a client's
// stream tells the backend what to do and takes the place of the pattern's first.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lb::bench {

// What the first byte a client sends asks the backend for.
inline constexpr char kAskEcho = 'E';    // send everything back
inline constexpr char kAskSink = 'U';    // discard; at the FIN, say how many bytes came
inline constexpr char kAskSource = 'D';  // send a stream until the client is gone
inline constexpr char kAskBoth = 'B';    // the stream goes both ways

inline constexpr size_t kPatternPeriod = 65'537;
inline constexpr size_t kStreamChunkBytes = 256 * 1024;
// So much of every stream is compared byte by byte; then a word at every wake-up is.
inline constexpr uint64_t kFullyCheckedBytes = 1024 * 1024;

// `kStreamChunkBytes` bytes of the stream from `offset` on.
const char* stream_bytes_at(uint64_t offset);

// Writes a stream into a socket.
class StreamWriter {
 public:
  // Sends at most `limit_bytes`. Bytes sent, or -errno.
  int64_t write_some(int fd, uint64_t limit_bytes = kStreamChunkBytes);
  uint64_t offset() const { return offset_; }
  // What came before, and is not of the pattern.
  void skip(uint64_t size_bytes) { offset_ += size_bytes; }

 private:
  uint64_t offset_ = 0;
};

// Reads a stream from a socket and checks it. Past the part that is fully checked, all but a word
// is discarded in the kernel (tcp(7), MSG_TRUNC), so that reading costs little.
class StreamReader {
 public:
  // Bytes read, 0 at the FIN, or -errno; -EBADMSG when they are not those of the stream.
  int64_t read_some(int fd);
  uint64_t offset() const { return offset_; }
  void skip(uint64_t size_bytes) { offset_ += size_bytes; }

 private:
  int64_t read_checked(int fd, size_t size_bytes);

  uint64_t offset_ = 0;
};

}  // namespace lb::bench
