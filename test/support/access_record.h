// One line of the access log, taken apart. Knows the logfmt rules and nothing of the binary.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace lb::test {

class AccessRecord {
 public:
  // Nothing when the line is not logfmt or is not the record of a connection.
  static std::optional<AccessRecord> parse(std::string_view line);

  bool has(const std::string& key) const { return fields_.contains(key); }
  // Throws Failure when the key is missing, or is no number.
  const std::string& text(const std::string& key) const;
  int64_t number(const std::string& key) const;
  // "server_reset" and "data" of close=server_reset@data.
  std::string close_word() const;
  std::string close_place() const;
  const std::string& line() const { return line_; }

 private:
  std::string line_;
  std::map<std::string, std::string> fields_;
};

// The fields of a logfmt line: key=value key="quoted \" value". Nothing when it is malformed.
std::optional<std::map<std::string, std::string>> parse_logfmt(std::string_view line);

}  // namespace lb::test
