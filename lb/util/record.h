// One line of a log, field by field, as logfmt or as flat JSON. Whatever a peer can put into a
// value comes out as printable ASCII of bounded length, so that no value can forge a line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lb::util {

enum class RecordFormat { kLogfmt, kJSON };

class Record {
 public:
  // Appends to `out`, which must outlive the record.
  Record(std::string& out, RecordFormat format) : out_(out), format_(format) {}

  // The time, as RFC 3339 in UTC with microseconds.
  void add_time(std::string_view key, int64_t wall_us);
  void add(std::string_view key, std::string_view value);
  void add_number(std::string_view key, int64_t value);
  // Ends the line.
  void finish();

  // Values longer than this are cut.
  static constexpr size_t kMaxValueBytes = 1024;

 private:
  void add_key(std::string_view key);
  void add_escaped(std::string_view value);

  std::string& out_;
  RecordFormat format_;
  bool is_first_ = true;
};

}  // namespace lb::util
