// What went wrong, by kind. One thread.
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace lb::bench {

enum class ErrorKind {
  kRefused,           // the connection was refused
  kReset,             // a connection that stood was reset
  kClosed,            // the other side ended it in the middle of an exchange
  kTimeout,           // no answer until the end of the run, or no connection
  kWrongBytes,        // an answer that is not what was asked for
  kOutOfPorts,        // no source port left on this side
  kOutOfDescriptors,  // no file descriptor left on this side
  kOther
};

inline constexpr std::array<const char*, 8> kErrorNames = {
    "refused", "reset", "closed", "timeout", "wrong_bytes", "out_of_ports", "out_of_descriptors",
    "other"};

// What an errno means while a connection is set up (`connecting`) or used.
inline ErrorKind kind_of_errno(int error, bool connecting) {
  switch (error) {
    case ECONNREFUSED:
      return ErrorKind::kRefused;
    case ECONNRESET:
    case EPIPE:
      return connecting ? ErrorKind::kRefused : ErrorKind::kReset;
    case ETIMEDOUT:
      return ErrorKind::kTimeout;
    case EBADMSG:
      return ErrorKind::kWrongBytes;
    case EADDRNOTAVAIL:
    case EADDRINUSE:
      return ErrorKind::kOutOfPorts;
    case EMFILE:
    case ENFILE:
      return ErrorKind::kOutOfDescriptors;
    default:
      return ErrorKind::kOther;
  }
}

class ErrorCounts {
 public:
  void add(ErrorKind kind) { ++counts_[static_cast<size_t>(kind)]; }
  uint64_t of(ErrorKind kind) const { return counts_[static_cast<size_t>(kind)]; }
  const std::array<uint64_t, kErrorNames.size()>& counts() const { return counts_; }

  uint64_t total() const {
    uint64_t sum = 0;
    for (const uint64_t count : counts_) sum += count;
    return sum;
  }

 private:
  std::array<uint64_t, kErrorNames.size()> counts_ = {};
};

}  // namespace lb::bench
