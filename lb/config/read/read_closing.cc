#include <fmt/format.h>

#include "lb/config/read/schema.h"
#include "lb/util/suggest.h"

namespace lb::config {
namespace {

constexpr int64_t kMinSpreadMs = 1;
constexpr std::string_view kExpected = "\"Keep\", \"Close\" or { spread = \"30s\" }";

}  // namespace

void read_closing(Reader& reader, std::string_view key, Closing& closing) {
  reader.either(
      key, kExpected,
      [&](const TOMLValue& value) {
        const std::string* word = std::get_if<std::string>(&value.data);
        if (word == nullptr) return false;
        if (*word == "Keep") {
          closing = {Closing::Mode::kKeep, 0};
        } else if (*word == "Close") {
          closing = {Closing::Mode::kClose, 0};
        } else {
          reader.fault_at(key, FaultCode::kBadChoice,
                          fmt::format("must be {}, but is \"{}\"", kExpected, *word),
                          util::suggest(*word, {"Keep", "Close"}));
        }
        return true;
      },
      [&](Reader& table) {
        int64_t spread_ms = 0;
        table.duration("spread", spread_ms, kMinSpreadMs);
        if (!table.has("spread")) table.fault(FaultCode::kMissingKey, "spread is missing");
        closing = {Closing::Mode::kSpread, spread_ms};
      });
}

}  // namespace lb::config
