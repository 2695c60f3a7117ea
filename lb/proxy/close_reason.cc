#include "lb/proxy/close_reason.h"

#include <array>
#include <cstddef>

namespace lb::proxy {
namespace {

enum class Mode : uint8_t { kFin, kReset };

struct Entry {
  std::string_view word;
  Mode mode;
};

constexpr std::array kEntries = {
#define LB_X(name, word, mode) Entry{word, Mode::mode},
    LB_CLOSE_REASONS(LB_X)
#undef LB_X
};

}  // namespace

std::string_view to_string(CloseReason reason) {
  return kEntries[static_cast<size_t>(reason)].word;
}

std::string_view to_string(ClosePlace place) {
  switch (place) {
    case ClosePlace::kAccept:
      return "accept";
    case ClosePlace::kConnect:
      return "connect";
    case ClosePlace::kData:
      break;
  }
  return "data";
}

bool closes_with_reset(CloseReason reason) {
  return kEntries[static_cast<size_t>(reason)].mode == Mode::kReset;
}

}  // namespace lb::proxy
