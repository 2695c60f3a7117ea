// The bytes that a check sends and expects. A plain string is its own bytes; the table forms are
// Envoy Gateway's ({ type, text } and { type, binary }, the latter in base64) and hexadecimal.
#include <fmt/format.h>

#include <optional>

#include "absl/strings/escaping.h"
#include "lb/config/read/schema.h"

namespace lb::config {
namespace {

constexpr size_t kMaxPayloadBytes = 4096;
constexpr Count kPayloads{0, 16};
constexpr std::string_view kExpected = "a string, or a table with text, hex or binary";

enum class Notation { kText, kBinary };

constexpr std::array<Choice<std::optional<Notation>>, 2> kNotations = {
    {{"Text", Notation::kText}, {"Binary", Notation::kBinary}}};

std::optional<uint8_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<uint8_t>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<uint8_t>(c - 'A' + 10);
  return std::nullopt;
}

// Where the text stops being pairs of digits, as an index; nothing when all of it is.
std::optional<size_t> decode_hex(std::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size();) {
    if (text[i] == ' ') {
      ++i;
      continue;
    }
    const std::optional<uint8_t> high = hex_digit(text[i]);
    if (!high) return i;
    const std::optional<uint8_t> low =
        i + 1 < text.size() ? hex_digit(text[i + 1]) : std::optional<uint8_t>();
    if (!low) return i + 1;
    out.push_back(static_cast<char>(*high << 4 | *low));
    i += 2;
  }
  return std::nullopt;
}

void read_hex(Reader& reader, std::string& out) {
  std::string text;
  reader.text("hex", NameRule::kText, text);
  const std::optional<size_t> stop = decode_hex(text, out);
  if (!stop) return;
  reader.fault_at(
      "hex", FaultCode::kBadPayload,
      fmt::format("must be pairs of hexadecimal digits such as \"0a 0b\", but {}",
                  *stop == text.size() ? "ends within a pair"
                                       : fmt::format("character {} is \"{}\"", *stop + 1,
                                                     std::string_view(text).substr(*stop, 1))));
}

void read_binary(Reader& reader, std::string& out) {
  std::string text;
  reader.text("binary", NameRule::kText, text);
  if (reader.has("binary") && !absl::Base64Unescape(text, &out)) {
    reader.fault_at("binary", FaultCode::kBadPayload, "must be base64 (hex takes hexadecimal)");
  }
}

// Exactly one of text, hex and binary, and the one that `type` speaks of.
void check_notation(Reader& reader, std::optional<Notation> notation) {
  const int given = static_cast<int>(reader.has("text")) + static_cast<int>(reader.has("hex")) +
                    static_cast<int>(reader.has("binary"));
  if (given == 0) {
    reader.fault(FaultCode::kMissingKey, "one of text, hex and binary must be specified");
  } else if (given > 1) {
    reader.fault(FaultCode::kConflictingKeys, "only one of text, hex and binary may be specified");
  } else if (notation && (*notation == Notation::kText) != reader.has("text")) {
    reader.fault_at("type", FaultCode::kConflictingKeys,
                    *notation == Notation::kText ? "= \"Text\" goes with text, not with bytes"
                                                 : "= \"Binary\" goes with hex or binary");
  }
}

void read_table(Reader& reader, std::string& out) {
  std::optional<Notation> notation;
  reader.choice("type", kNotations, notation);
  reader.text("text", NameRule::kText, out);
  read_hex(reader, out);
  read_binary(reader, out);
  check_notation(reader, notation);
}

bool take_text(const TOMLValue& value, std::string& out) {
  const std::string* text = std::get_if<std::string>(&value.data);
  if (text != nullptr) out = *text;
  return text != nullptr;
}

void check_size(Reader& reader, std::string_view key, SourcePosition where, size_t size) {
  if (size <= kMaxPayloadBytes) return;
  reader.faults().error(
      FaultCode::kBadPayload, where,
      fmt::format("{} takes at most {} bytes, but this has {}", key, kMaxPayloadBytes, size));
}

}  // namespace

void read_payload(Reader& reader, std::string_view key, std::string& payload) {
  reader.either(
      key, kExpected, [&](const TOMLValue& value) { return take_text(value, payload); },
      [&](Reader& table) {
        payload.clear();
        read_table(table, payload);
      });
  check_size(reader, key, reader.where(key), payload.size());
}

void read_payloads(Reader& reader, std::string_view key, std::vector<std::string>& payloads) {
  if (reader.has(key)) payloads.clear();
  const auto add = [&](std::string payload, SourcePosition where) {
    check_size(reader, key, where, payload.size());
    if (payload.empty()) {
      reader.faults().error(FaultCode::kBadPayload, where,
                            fmt::format("an entry of {} must not be empty", key));
    }
    payloads.push_back(std::move(payload));
  };
  reader.each_either(
      key, kPayloads, kExpected,
      [&](const TOMLValue& value) {
        std::string payload;
        if (!take_text(value, payload)) return false;
        add(std::move(payload), value.where);
        return true;
      },
      [&](Reader& table) {
        std::string payload;
        const size_t errors_before = table.faults().errors();
        read_table(table, payload);
        if (table.faults().errors() == errors_before) add(std::move(payload), table.where());
      });
}

}  // namespace lb::config
