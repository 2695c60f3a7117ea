#include "lb/config/read/timestamp.h"

#include <fmt/format.h>

#include <chrono>

namespace lb::config {
namespace {

// Takes exactly `digits` digits off the front.
bool take_number(std::string_view& text, size_t digits, unsigned& out) {
  if (text.size() < digits) return false;
  out = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    out = out * 10 + static_cast<unsigned>(text[i] - '0');
  }
  text.remove_prefix(digits);
  return true;
}

bool take_char(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// ".123456": keeps milliseconds, drops the rest.
bool take_fraction(std::string_view& text, unsigned& milliseconds) {
  milliseconds = 0;
  if (!take_char(text, ".")) return true;
  size_t digits = 0;
  for (unsigned digit = 0; take_number(text, 1, digit); ++digits) {
    if (digits < 3) milliseconds = milliseconds * 10 + digit;
  }
  for (size_t i = digits; i < 3; ++i) milliseconds *= 10;
  return digits > 0;
}

bool take_offset(std::string_view& text, int& minutes) {
  minutes = 0;
  if (take_char(text, "Zz")) return true;
  const bool west = !text.empty() && text.front() == '-';
  unsigned hour = 0;
  unsigned minute = 0;
  if (!take_char(text, "+-") || !take_number(text, 2, hour) || !take_char(text, ":") ||
      !take_number(text, 2, minute) || hour > 23 || minute > 59) {
    return false;
  }
  minutes = static_cast<int>(hour * 60 + minute) * (west ? -1 : 1);
  return true;
}

}  // namespace

std::optional<int64_t> to_unix_ms(const CivilTime& time) {
  const std::chrono::year_month_day day{std::chrono::year(time.year),
                                        std::chrono::month(time.month), std::chrono::day(time.day)};
  if (!day.ok() || time.hour > 23 || time.minute > 59 || time.second > 60) return std::nullopt;
  const auto instant = std::chrono::sys_days(day) + std::chrono::hours(time.hour) +
                       std::chrono::minutes(time.minute) + std::chrono::seconds(time.second) -
                       std::chrono::minutes(time.offset_minutes) +
                       std::chrono::milliseconds(time.millisecond);
  return std::chrono::milliseconds(instant.time_since_epoch()).count();
}

std::optional<int64_t> parse_rfc3339_ms(std::string_view text) {
  CivilTime time;
  unsigned year = 0;
  const bool parsed = take_number(text, 4, year) && take_char(text, "-") &&
                      take_number(text, 2, time.month) && take_char(text, "-") &&
                      take_number(text, 2, time.day) && take_char(text, "Tt ") &&
                      take_number(text, 2, time.hour) && take_char(text, ":") &&
                      take_number(text, 2, time.minute) && take_char(text, ":") &&
                      take_number(text, 2, time.second) && take_fraction(text, time.millisecond) &&
                      take_offset(text, time.offset_minutes) && text.empty();
  if (!parsed) return std::nullopt;
  time.year = static_cast<int>(year);
  return to_unix_ms(time);
}

std::string format_rfc3339(int64_t unix_ms) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(unix_ms)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace lb::config
