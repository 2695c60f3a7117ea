// What a conversion has to say beside its result: errors, and what it leaves out.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lb/config/position.h"

namespace lb::control {

class ConvertReport {
 public:
  void error(config::SourcePosition where, std::string text);
  // The same text again is counted, not repeated: a hundred endpoints share what is left out.
  void note(config::SourcePosition where, const std::string& text);

  bool has_errors() const { return !errors_.empty(); }

  // In the order of the files; `names` are those of the files, by index. "f:1:2: error: ...".
  std::vector<std::string> error_lines(const std::vector<std::string>& names) const;
  // "f:1: left out: ... (and 99 more)".
  std::vector<std::string> note_lines(const std::vector<std::string>& names) const;

 private:
  struct Finding {
    config::SourcePosition where;
    std::string text;
    size_t more = 0;
  };

  static std::vector<Finding> in_order(std::vector<Finding> findings);

  std::vector<Finding> errors_;
  std::vector<Finding> notes_;
  absl::flat_hash_map<std::string, size_t> note_of_text_;
};

}  // namespace lb::control
