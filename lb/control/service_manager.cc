#include "lb/control/service_manager.h"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstring>

#include "fmt/format.h"
#include "lb/util/clock.h"

namespace lb::control {
namespace {

constexpr size_t kMaxSentenceBytes = 512;
// Beside the time that is asked for, to come to the end of the process.
constexpr int64_t kSpareMs = 5000;

bool is_control(char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }

// Not the first byte of a character in UTF-8.
bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

std::string status_assignment(std::string_view sentence) {
  size_t size_bytes = std::min(sentence.size(), kMaxSentenceBytes);
  if (size_bytes < sentence.size()) {
    while (size_bytes > 0 && is_continuation(sentence[size_bytes])) --size_bytes;
  }
  std::string text(sentence.substr(0, size_bytes));
  std::replace_if(text.begin(), text.end(), is_control, ' ');
  return "STATUS=" + text;
}

void ServiceManager::ready(std::string_view sentence) {
  if (!is_stopping_) send("READY=1\n" + status_assignment(sentence));
}

void ServiceManager::changed(std::string_view sentence) {
  if (!is_stopping_) send(status_assignment(sentence));
}

void ServiceManager::reloading() {
  // With the time in the same message, the manager can tell which request this answers.
  if (!is_stopping_) send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", util::mono_now_us()));
}

void ServiceManager::stopping(std::string_view sentence, int64_t timeout_ms) {
  is_stopping_ = true;
  send(fmt::format("STOPPING=1\n{}\nEXTEND_TIMEOUT_USEC={}", status_assignment(sentence),
                   (timeout_ms + kSpareMs) * 1000));
}

void ServiceManager::failed(std::string_view why) {
  send(status_assignment(fmt::format("cannot serve: {}", why)));
}

void ServiceManager::send(const std::string& assignments) {
  const int result = sd_notify(0, assignments.c_str());
  if (result >= 0) return;
  log_.warn("the service manager was not reached", {{"why", std::strerror(-result)}});
}

}  // namespace lb::control
