#include "lb/config/schema.h"

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
