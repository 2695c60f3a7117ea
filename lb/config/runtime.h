// What the file says about the process itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lb/net/address.h"

namespace lb::config {

enum class EngineChoice { kAuto, kIOUring, kEpoll };
enum class SpliceMode { kAuto, kOff, kAlways };
enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kLogfmt, kJSON };

struct Runtime {
  uint32_t workers = 0;  // 0 = one per usable CPU
  EngineChoice engine = EngineChoice::kAuto;
  uint64_t max_connections = 0;  // of the whole process; 0 = from the open-file limit
  SpliceMode splice = SpliceMode::kAuto;
  int64_t shutdown_timeout_ms = 30'000;  // a drain ends here at the latest
  int64_t announce_grace_ms = 0;         // still accepting, no longer ready, before a drain begins
  int64_t drain_spread_ms = 0;           // over which a drain closes what is left
};

inline constexpr const char* kDefaultControlSocket = "/run/sluice/control.sock";

// Where the process can be talked to.
struct Admin {
  std::string socket = kDefaultControlSocket;  // an absolute path; "" = none
  net::Address http;                           // unspecified = none

  friend bool operator==(const Admin&, const Admin&) = default;
};

// Who is asked for the addresses of hostnames.
struct DNS {
  std::vector<net::Address> servers;  // with a port; empty = the system's

  friend bool operator==(const DNS&, const DNS&) = default;
};

struct AccessLog {
  std::string path = "stderr";  // "stderr", "off", or a file
  LogFormat format = LogFormat::kLogfmt;

  bool enabled() const { return path != "off"; }
};

struct Log {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kLogfmt;
};

}  // namespace lb::config
