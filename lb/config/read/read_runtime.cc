#include <fmt/format.h>

#include "lb/config/ip_text.h"
#include "lb/config/read/schema.h"

namespace lb::config {
namespace {

constexpr int64_t kMaxWorkers = 1024;
constexpr int64_t kMaxConnections = int64_t{1} << 30;

constexpr std::array<Choice<EngineChoice>, 3> kEngines = {{{"auto", EngineChoice::kAuto},
                                                           {"io_uring", EngineChoice::kIOUring},
                                                           {"epoll", EngineChoice::kEpoll}}};

constexpr std::array<Choice<SpliceMode>, 3> kSpliceModes = {
    {{"auto", SpliceMode::kAuto}, {"off", SpliceMode::kOff}, {"always", SpliceMode::kAlways}}};

constexpr std::array<Choice<LogLevel>, 4> kLogLevels = {{{"debug", LogLevel::kDebug},
                                                         {"info", LogLevel::kInfo},
                                                         {"warn", LogLevel::kWarn},
                                                         {"error", LogLevel::kError}}};

constexpr std::array<Choice<LogFormat>, 2> kLogFormats = {
    {{"logfmt", LogFormat::kLogfmt}, {"json", LogFormat::kJSON}}};

}  // namespace

void read_runtime(Reader& root, Runtime& runtime) {
  root.table("runtime", [&](Reader& reader) {
    reader.integer("workers", 0, kMaxWorkers, runtime.workers);
    reader.choice("engine", kEngines, runtime.engine);
    reader.integer("maxConnections", 0, kMaxConnections, runtime.max_connections);
    reader.choice("splice", kSpliceModes, runtime.splice);
    reader.duration("shutdownTimeout", runtime.shutdown_timeout_ms);
    reader.duration("announceGrace", runtime.announce_grace_ms);
    reader.duration("drainSpread", runtime.drain_spread_ms);
  });
}

void read_admin(Reader& root, Admin& admin) {
  root.table("admin", [&](Reader& reader) {
    reader.text("socket", NameRule::kText, admin.socket);
    const bool is_path =
        admin.socket.starts_with('/') && net::Address::from_unix_path(admin.socket).ok();
    if (!admin.socket.empty() && !is_path) {
      reader.faults().error(
          FaultCode::kBadPath, reader.where("socket"),
          "socket must be an absolute path of at most 107 bytes, or \"\" for none");
    }
    std::string http;
    reader.text("http", NameRule::kText, http);
    if (http.empty()) return;
    const std::optional<net::Address> address = parse_ip_port(http);
    if (address) {
      admin.http = *address;
    } else {
      reader.faults().error(
          FaultCode::kBadAddress, reader.where("http"),
          fmt::format("http must be an IP address and a port, like \"127.0.0.1:9180\", but is "
                      "\"{}\"",
                      http));
    }
  });
}

void read_access_log(Reader& root, AccessLog& access_log) {
  root.table("accessLog", [&](Reader& reader) {
    reader.text("path", NameRule::kNonEmpty, access_log.path);
    reader.choice("format", kLogFormats, access_log.format);
  });
}

void read_log(Reader& root, Log& log) {
  root.table("log", [&](Reader& reader) {
    reader.choice("level", kLogLevels, log.level);
    reader.choice("format", kLogFormats, log.format);
  });
}

}  // namespace lb::config
