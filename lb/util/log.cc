#include "lb/util/log.h"

namespace lb::util {
namespace {

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      break;
  }
  return "error";
}

}  // namespace

void Log::write(LogLevel level, std::string_view message, Fields fields) {
  if (level < level_) return;
  std::string line;
  Record record(line, format_);
  record.add_time("ts", wall_now_us());
  record.add("level", name_of(level));
  record.add("msg", message);
  for (const auto& [key, value] : fields) record.add(key, value);
  record.finish();
  sink_.write(line);
}

}  // namespace lb::util
