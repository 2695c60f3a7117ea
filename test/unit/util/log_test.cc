// The process's own log: levels, fields, and the limit on what repeats.
#include "lb/util/log.h"

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "test/support/access_record.h"
#include "test/support/catch.h"
#include "test/unit/util/log_lines.h"

namespace lb::util {
namespace {

// The lines that come of it.
std::vector<std::string> logged(LogLevel level, RecordFormat format,
                                const std::function<void(Log&)>& write) {
  test::Pipe pipe;
  {
    LogSink sink(pipe.writer.get(), RecordFormat::kLogfmt);
    Log log(sink, level, format);
    write(log);
  }
  pipe.writer.reset();
  return test::split_lines(test::read_to_end(pipe.reader.get()));
}

void say_all(Log& log) {
  log.debug("d");
  log.info("i");
  log.warn("w");
  log.error("e");
}

}  // namespace

TEST_CASE("log: nothing below its level") {
  using Levels = std::vector<std::string>;
  const auto levels_at = [](LogLevel level) {
    Levels out;
    for (const std::string& line : logged(level, RecordFormat::kLogfmt, say_all)) {
      const auto fields = test::parse_logfmt(line);
      REQUIRE(fields);
      CHECK(fields->at("level").substr(0, 1) == fields->at("msg"));
      out.push_back(fields->at("level"));
    }
    return out;
  };
  CHECK(levels_at(LogLevel::kDebug) == Levels{"debug", "info", "warn", "error"});
  CHECK(levels_at(LogLevel::kInfo) == Levels{"info", "warn", "error"});
  CHECK(levels_at(LogLevel::kWarn) == Levels{"warn", "error"});
  CHECK(levels_at(LogLevel::kError) == Levels{"error"});
}

TEST_CASE("log: time, level, message and fields, in this order") {
  const auto write = [](Log& log) {
    log.info("ready", {{"listeners", "2"}, {"why", "a \"b\"\nc"}});
  };
  const int64_t before_us = wall_now_us();
  const std::vector<std::string> text = logged(LogLevel::kInfo, RecordFormat::kLogfmt, write);
  const int64_t after_us = wall_now_us();
  REQUIRE(text.size() == 1);
  const size_t end_of_time = text[0].find(' ');
  CHECK(text[0].substr(end_of_time) ==
        " level=info msg=ready listeners=2 why=\"a \\\"b\\\"\\u000ac\"");
  // Times of this form sort as text.
  const auto time_text = [](int64_t wall_us) {
    std::string out;
    Record(out, RecordFormat::kLogfmt).add_time("ts", wall_us);
    return out;
  };
  CHECK(text[0].substr(0, end_of_time) >= time_text(before_us));
  CHECK(text[0].substr(0, end_of_time) <= time_text(after_us));

  const std::vector<std::string> object = logged(LogLevel::kInfo, RecordFormat::kJSON, write);
  REQUIRE(object.size() == 1);
  const auto json = nlohmann::ordered_json::parse(object[0]);
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  CHECK(keys == std::vector<std::string>{"ts", "level", "msg", "listeners", "why"});
  CHECK(json["why"] == "a \"b\"\nc");
}

TEST_CASE("log limit: one a second, and the rest counted") {
  LogLimit limit;
  CHECK(limit.allows(5000));
  CHECK(limit.take_suppressed() == 0);
  CHECK(!limit.allows(5000));
  CHECK(!limit.allows(5999));
  CHECK(limit.allows(6000));
  CHECK(limit.take_suppressed() == 2);
  CHECK(limit.take_suppressed() == 0);
  CHECK(!limit.allows(6001));
  CHECK(limit.allows(90'000));
  CHECK(limit.take_suppressed() == 1);
}

}  // namespace lb::util
