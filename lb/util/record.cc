#include "lb/util/record.h"

#include <time.h>

#include <algorithm>
#include <iterator>

#include "fmt/format.h"

namespace lb::util {
namespace {

bool is_plain(unsigned char c) { return c > 0x20 && c < 0x7f && c != '"' && c != '=' && c != '\\'; }

}  // namespace

void Record::add_key(std::string_view key) {
  const bool json = format_ == RecordFormat::kJSON;
  if (is_first_) {
    if (json) out_ += '{';
  } else {
    out_ += json ? ',' : ' ';
  }
  is_first_ = false;
  if (json) {
    fmt::format_to(std::back_inserter(out_), "\"{}\":", key);
  } else {
    fmt::format_to(std::back_inserter(out_), "{}=", key);
  }
}

void Record::add_time(std::string_view key, int64_t wall_us) {
  const time_t seconds = wall_us / 1'000'000;
  tm parts = {};
  gmtime_r(&seconds, &parts);
  add_key(key);
  const char* quote = format_ == RecordFormat::kJSON ? "\"" : "";
  fmt::format_to(std::back_inserter(out_), "{}{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z{}", quote,
                 parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                 parts.tm_sec, wall_us % 1'000'000, quote);
}

void Record::add(std::string_view key, std::string_view value) {
  add_key(key);
  value = value.substr(0, kMaxValueBytes);
  const bool plain =
      format_ == RecordFormat::kLogfmt && std::all_of(value.begin(), value.end(), is_plain);
  if (plain) {
    out_ += value;
  } else {
    add_escaped(value);
  }
}

void Record::add_escaped(std::string_view value) {
  out_ += '"';
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (byte < 0x20 || byte >= 0x7f) {
      // The one escape that logfmt readers and JSON share.
      fmt::format_to(std::back_inserter(out_), "\\u{:04x}", byte);
    } else {
      out_ += c;
    }
  }
  out_ += '"';
}

void Record::add_number(std::string_view key, int64_t value) {
  add_key(key);
  fmt::format_to(std::back_inserter(out_), "{}", value);
}

void Record::finish() {
  if (format_ == RecordFormat::kJSON) out_ += '}';
  out_ += '\n';
}

}  // namespace lb::util
