#include "lb/control/convert/convert_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace lb::control {
namespace {

constexpr size_t kMaxErrorLines = 100;

// Names in manifests may be anything; a terminal shall not obey them.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

void ConvertReport::error(config::SourcePosition where, std::string text) {
  errors_.push_back({where, std::move(text), 0});
}

void ConvertReport::note(config::SourcePosition where, const std::string& text) {
  const auto [entry, is_new] = note_of_text_.try_emplace(text, notes_.size());
  if (is_new) {
    notes_.push_back({where, text, 0});
  } else {
    ++notes_[entry->second].more;
  }
}

std::vector<ConvertReport::Finding> ConvertReport::in_order(std::vector<Finding> findings) {
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.where < b.where; });
  return findings;
}

std::vector<std::string> ConvertReport::error_lines(const std::vector<std::string>& names) const {
  std::vector<std::string> lines;
  for (const Finding& finding : in_order(errors_)) {
    if (lines.size() == kMaxErrorLines) {
      lines.push_back(fmt::format("{} more errors", errors_.size() - kMaxErrorLines));
      break;
    }
    const auto& [file, line, column] = finding.where;
    const std::string place = line == 0 ? "" : fmt::format("{}:{}:", line, column);
    lines.push_back(fmt::format("{}:{} error: {}", names[file], place, printable(finding.text)));
  }
  return lines;
}

std::vector<std::string> ConvertReport::note_lines(const std::vector<std::string>& names) const {
  std::vector<std::string> lines;
  for (const Finding& finding : in_order(notes_)) {
    const std::string more = finding.more == 0 ? "" : fmt::format(" (and {} more)", finding.more);
    lines.push_back(fmt::format("{}:{}: {}{}", names[finding.where.file], finding.where.line,
                                printable(finding.text), more));
  }
  return lines;
}

}  // namespace lb::control
