#include "lb/health/tcp_dialogue.h"

#include <algorithm>

#include "fmt/format.h"
#include "lb/health/quoted.h"

namespace lb::health {

DialogueStep TCPDialogue::begin() {
  return check_.receive.empty() ? DialogueStep::success(check_.send)
                                : DialogueStep::more(check_.send);
}

DialogueStep TCPDialogue::on_bytes(std::string_view bytes) {
  heard_bytes_ += bytes.size();
  // One more than is shown, so that the dots are right.
  heard_ += bytes.substr(0, kMaxQuotedBytes + 1 - std::min(heard_.size(), kMaxQuotedBytes + 1));
  unmatched_ += bytes;
  while (next_ < check_.receive.size()) {
    const std::string& pattern = check_.receive[next_];
    const size_t place = unmatched_.find(pattern);
    if (place == std::string::npos) {
      const size_t keep_bytes = std::min(unmatched_.size(), pattern.size() - 1);
      unmatched_.erase(0, unmatched_.size() - keep_bytes);
      break;
    }
    unmatched_.erase(0, place + pattern.size());
    ++next_;
  }
  if (next_ == check_.receive.size()) return DialogueStep::success();
  if (heard_bytes_ <= kMaxDialogueBytes) return DialogueStep::more();
  return DialogueStep::failure(
      fmt::format("{}, and {} KiB were enough", missing(), kMaxDialogueBytes / 1024));
}

DialogueStep TCPDialogue::on_end() { return DialogueStep::failure(missing() + " and the end"); }

std::string TCPDialogue::missing() const {
  if (next_ == check_.receive.size()) return "the server does not take what is sent";
  return fmt::format("expected {}, got {}", quoted(check_.receive[next_]),
                     heard_.empty() ? "nothing" : quoted(heard_));
}

}  // namespace lb::health
