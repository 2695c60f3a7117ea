#include "lb/control/dns/srv_answer.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace lb::control {
namespace {

constexpr uint16_t kTypeSRV = 33;
constexpr uint16_t kClassIN = 1;
constexpr size_t kMaxNameBytes = 255;
constexpr size_t kMaxPointers = 64;  // of one name: compression needs no more

// Reads from front to back; once something was missing, everything after it is missing too.
class MessageReader {
 public:
  explicit MessageReader(std::span<const std::byte> message) : message_(message) {}

  bool is_broken() const { return is_broken_; }

  uint16_t number16() {
    const auto high = static_cast<unsigned>(byte_at(at_));
    const auto low = static_cast<unsigned>(byte_at(at_ + 1));
    at_ += 2;
    return static_cast<uint16_t>((high << 8) | low);
  }
  uint32_t number32() {
    const uint32_t high = number16();
    return (high << 16) | number16();
  }
  void skip(size_t size_bytes) {
    at_ += size_bytes;
    if (at_ > message_.size()) is_broken_ = true;
  }

  // Labels joined by dots, without a dot at the end; "" is the root.
  std::string name() {
    std::string out;
    std::optional<size_t> end;  // behind the first pointer
    for (size_t pointers = 0; !is_broken_;) {
      const auto length = static_cast<size_t>(byte_at(at_));
      ++at_;
      if (length >= 0xC0) {
        const size_t target = ((length & 0x3F) << 8) | static_cast<size_t>(byte_at(at_));
        if (!end) end = at_ + 1;
        if (++pointers > kMaxPointers) is_broken_ = true;
        at_ = target;
      } else if (length == 0) {
        break;
      } else {
        label(length, out);
      }
    }
    if (end) at_ = *end;
    return out;
  }

 private:
  uint8_t byte_at(size_t at) {
    if (at < message_.size()) return std::to_integer<uint8_t>(message_[at]);
    is_broken_ = true;
    return 0;
  }

  void label(size_t length, std::string& out) {
    if (length >= 0x40 || out.size() + 1 + length > kMaxNameBytes) {
      is_broken_ = true;
      return;
    }
    if (!out.empty()) out += '.';
    for (size_t i = 0; i < length; ++i) {
      const auto character = static_cast<char>(byte_at(at_ + i));
      // It goes into the log, and is asked for in its turn.
      if (character <= ' ' || character == '.' || character == 0x7F) is_broken_ = true;
      out += character;
    }
    at_ += length;
  }

  std::span<const std::byte> message_;
  size_t at_ = 0;
  bool is_broken_ = false;
};

Answer broken() {
  Answer answer;
  answer.why = "the answer is broken";
  return answer;
}

}  // namespace

Answer read_srv_answer(std::span<const std::byte> message) {
  MessageReader reader(message);
  reader.skip(4);
  const uint16_t questions = reader.number16();
  const uint16_t answers = reader.number16();
  reader.skip(4);
  for (uint16_t i = 0; i < questions && !reader.is_broken(); ++i) {
    reader.name();
    reader.skip(4);
  }
  Answer answer;
  uint32_t ttl_s = UINT32_MAX;
  for (uint16_t i = 0; i < answers && !reader.is_broken(); ++i) {
    reader.name();
    const uint16_t type = reader.number16();
    const uint16_t record_class = reader.number16();
    const uint32_t record_ttl_s = reader.number32();
    const uint16_t size_bytes = reader.number16();
    // Aliases on the way limit how long the whole is true.
    ttl_s = std::min(ttl_s, record_ttl_s);
    if (type != kTypeSRV || record_class != kClassIN) {
      reader.skip(size_bytes);
      continue;
    }
    ServiceRecord record;
    record.priority = reader.number16();
    record.weight = reader.number16();
    record.port = reader.number16();
    record.target = reader.name();
    if (!record.target.empty() && record.port != 0) answer.services.push_back(std::move(record));
  }
  if (reader.is_broken()) return broken();
  answer.result = answer.services.empty() ? LookupResult::kNotFound : LookupResult::kFound;
  if (answer.services.empty()) answer.why = "there is no service of this name";
  answer.ttl_ms = int64_t{ttl_s} * 1000;
  return answer;
}

}  // namespace lb::control
