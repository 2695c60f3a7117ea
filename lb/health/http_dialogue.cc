#include "lb/health/http_dialogue.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "lb/health/quoted.h"

namespace lb::health {
namespace {

constexpr int kSwitchingProtocols = 101;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Others follow (RFC 9110 section 15.2); after 101 it is not HTTP any more.
bool is_interim(int status) {
  return status >= 100 && status < 200 && status != kSwitchingProtocols;
}

}  // namespace

int parse_status_line(std::string_view line) {
  constexpr std::string_view kPattern = "HTTP/d.d ddd";
  if (line.size() < kPattern.size()) return -1;
  for (size_t i = 0; i < kPattern.size(); ++i) {
    const bool is_right = kPattern[i] == 'd' ? is_digit(line[i]) : line[i] == kPattern[i];
    if (!is_right) return -1;
  }
  // The space behind is due, but servers without a reason forget it.
  if (line.size() > kPattern.size() && line[kPattern.size()] != ' ') return -1;
  const std::string_view digits = line.substr(kPattern.size() - 3, 3);
  return (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
}

HTTPDialogue::HTTPDialogue(const config::HTTPCheck& check, std::string host)
    : check_(check), host_(check.host.empty() ? std::move(host) : check.host) {}

DialogueStep HTTPDialogue::begin() {
  return DialogueStep::more(
      fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: sluice-health-check\r\n"
                  "Accept: */*\r\nConnection: close\r\n\r\n",
                  check_.path, host_));
}

DialogueStep HTTPDialogue::on_bytes(std::string_view bytes) {
  heard_bytes_ += bytes.size();
  head_ += bytes;
  while (true) {
    const size_t line_end = head_.find('\n');
    if (line_end == std::string::npos) break;
    std::string_view line(head_.data(), line_end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const int status = parse_status_line(line);
    if (status < 0) return DialogueStep::failure("no HTTP: " + quoted(line));
    if (!is_interim(status)) return judge(status);
    const size_t head_end = head_.find("\r\n\r\n");
    if (head_end == std::string::npos) break;
    head_.erase(0, head_end + 4);
  }
  if (heard_bytes_ <= kMaxHeadBytes) return DialogueStep::more();
  return DialogueStep::failure("no HTTP status line in " + quoted(head_));
}

DialogueStep HTTPDialogue::judge(int status) const {
  const bool is_expected = std::any_of(check_.expected.begin(), check_.expected.end(),
                                       [&](const config::StatusRange& range) {
                                         return status >= range.first && status <= range.last;
                                       });
  if (is_expected) return DialogueStep::success();
  return DialogueStep::failure(fmt::format("HTTP status {}", status));
}

DialogueStep HTTPDialogue::on_end() { return DialogueStep::failure(missing() + " and the end"); }

std::string HTTPDialogue::missing() const {
  return head_.empty() ? "expected an HTTP answer, got nothing"
                       : "expected an HTTP answer, got " + quoted(head_);
}

}  // namespace lb::health
