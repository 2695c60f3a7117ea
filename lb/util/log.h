// The process's own log: one line an event, with a level, a message and fields. Never used per byte
// or per connection; what can repeat quickly goes through a LogLimit. Thread-safe.
#pragma once

#include <atomic>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "lb/util/clock.h"
#include "lb/util/log_sink.h"
#include "lb/util/record.h"

namespace lb::util {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

class Log {
 public:
  using Field = std::pair<std::string_view, std::string>;
  using Fields = std::initializer_list<Field>;

  Log(LogSink& sink, LogLevel level, RecordFormat format)
      : sink_(sink), level_(level), format_(format) {}

  void debug(std::string_view message, Fields fields = {}) {
    write(LogLevel::kDebug, message, fields);
  }
  void info(std::string_view message, Fields fields = {}) {
    write(LogLevel::kInfo, message, fields);
  }
  void warn(std::string_view message, Fields fields = {}) {
    write(LogLevel::kWarn, message, fields);
  }
  void error(std::string_view message, Fields fields = {}) {
    write(LogLevel::kError, message, fields);
  }

 private:
  void write(LogLevel level, std::string_view message, Fields fields);

  LogSink& sink_;
  LogLevel level_;
  RecordFormat format_;
};

// Lets one event a second through and counts the rest, so that a storm is a line a second and not a
// million. Thread-safe.
class LogLimit {
 public:
  bool allows(MonoTimeMs now_ms) {
    MonoTimeMs next_ms = next_ms_.load(std::memory_order_relaxed);
    if (now_ms >= next_ms &&
        next_ms_.compare_exchange_strong(next_ms, now_ms + 1000, std::memory_order_relaxed)) {
      return true;
    }
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }

  // How many were held back since the last time this was asked.
  uint64_t take_suppressed() { return suppressed_.exchange(0, std::memory_order_relaxed); }

 private:
  std::atomic<MonoTimeMs> next_ms_{0};
  std::atomic<uint64_t> suppressed_{0};
};

}  // namespace lb::util
