#include "bench/stream_pattern.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "lb/util/random.h"

namespace lb::bench {
namespace {

// Any constant does: both ends make the same table.
constexpr uint64_t kSeed = 20'011;
constexpr size_t kSampleBytes = 8;
// The most that one wake-up takes, so that many streams share a loop.
constexpr size_t kDiscardBytes = 1024 * 1024;

std::vector<char> make_table() {
  std::vector<char> table(kPatternPeriod + kStreamChunkBytes);
  util::Random random(kSeed);
  for (size_t i = 0; i < table.size(); ++i) {
    table[i] = i < kPatternPeriod ? static_cast<char>(random.next()) : table[i - kPatternPeriod];
  }
  return table;
}

}  // namespace

const char* stream_bytes_at(uint64_t offset) {
  static const std::vector<char> kTable = make_table();
  return kTable.data() + offset % kPatternPeriod;
}

int64_t StreamWriter::write_some(int fd, uint64_t limit_bytes) {
  const size_t size_bytes = std::min<uint64_t>(limit_bytes, kStreamChunkBytes);
  const ssize_t sent = send(fd, stream_bytes_at(offset_), size_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) return -errno;
  offset_ += static_cast<uint64_t>(sent);
  return sent;
}

int64_t StreamReader::read_checked(int fd, size_t size_bytes) {
  char bytes[64 * 1024];
  const ssize_t got = recv(fd, bytes, std::min(size_bytes, sizeof(bytes)), MSG_DONTWAIT);
  if (got < 0) return -errno;
  if (std::memcmp(bytes, stream_bytes_at(offset_), static_cast<size_t>(got)) != 0) return -EBADMSG;
  offset_ += static_cast<uint64_t>(got);
  return got;
}

int64_t StreamReader::read_some(int fd) {
  if (offset_ < kFullyCheckedBytes) return read_checked(fd, kFullyCheckedBytes);
  const int64_t sampled = read_checked(fd, kSampleBytes);
  if (sampled <= 0) return sampled;
  const ssize_t discarded = recv(fd, nullptr, kDiscardBytes, MSG_TRUNC | MSG_DONTWAIT);
  // An end or an error is met again by the next call.
  if (discarded <= 0) return sampled;
  offset_ += static_cast<uint64_t>(discarded);
  return sampled + discarded;
}

}  // namespace lb::bench
