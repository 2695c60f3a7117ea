#include "lb/net/client_hello.h"

#include <algorithm>
#include <string_view>

namespace lb::net {
namespace {

using Outcome = HelloReading::Outcome;

// A record (RFC 8446 section 5.1): type, version and length, then so many bytes.
constexpr size_t kRecordHeaderBytes = 5;
constexpr size_t kMaxRecordBytes = 16384;
constexpr size_t kTypeHandshake = 22;
constexpr size_t kMajorVersion = 3;  // SSL 3.0 is 3.0, TLS 1.0 to 1.2 are 3.1 to 3.3
constexpr size_t kMaxMinorVersion = 4;

// A message of the handshake (section 4): type and length, then so many bytes.
constexpr size_t kMessageHeaderBytes = 4;
constexpr size_t kTypeClientHello = 1;

// The body of the shortest one: a version, a random, no session id, a suite and a compression.
constexpr size_t kMinBodyBytes = 41;
constexpr size_t kRandomBytes = 32;
constexpr size_t kMaxSessionIDBytes = 32;
constexpr size_t kExtensionServerName = 0;
constexpr size_t kExtensionALPN = 16;
constexpr size_t kNameTypeHost = 0;

enum class Progress { kGoing, kShort, kMalformed };

// A part of known size, of which the first bytes are there. The first thing that goes wrong in a
// part, or in a part of it, ends the reading of all: from then on it is at its end.
class Part {
 public:
  // `there` is not longer than `size_bytes`.
  Part(std::string_view there, size_t size_bytes, Progress& progress)
      : there_(there), size_bytes_(size_bytes), progress_(progress) {}

  bool has_more() const { return progress_ == Progress::kGoing && at_ < size_bytes_; }
  size_t size_bytes() const { return size_bytes_; }

  void expect(bool holds) {
    if (!holds && progress_ == Progress::kGoing) progress_ = Progress::kMalformed;
  }

  void skip(size_t count) {
    expect(count <= size_bytes_ - at_);
    if (progress_ == Progress::kGoing) at_ += count;
  }

  // 0 when it cannot be had.
  size_t number(size_t width) {
    const size_t begin = at_;
    skip(width);
    if (progress_ == Progress::kGoing && at_ > there_.size()) progress_ = Progress::kShort;
    if (progress_ != Progress::kGoing) return 0;
    size_t value = 0;
    for (const char c : there_.substr(begin, width)) {
      value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
  }

  // A part of this one, behind its size, a number of `width` bytes.
  Part sized_part(size_t width) {
    const size_t size_bytes = number(width);
    const size_t begin = at_;
    skip(size_bytes);
    if (progress_ != Progress::kGoing) return {{}, 0, progress_};
    const size_t there = std::min(begin, there_.size());
    return {there_.substr(there, size_bytes), size_bytes, progress_};
  }

  // All of it; empty when it is not there.
  std::string_view bytes() const { return there_.size() < size_bytes_ ? "" : there_; }

 private:
  std::string_view there_;
  size_t size_bytes_;
  size_t at_ = 0;
  Progress& progress_;
};

bool is_server_name(std::string_view name) {
  const auto is_of_a_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  };
  return name.size() <= kMaxServerNameBytes && std::all_of(name.begin(), name.end(), is_of_a_name);
}

// Two equal bytes 0x0a, 0x1a and so on are offered for the sake of being ignored (RFC 8701).
bool is_protocol_name(std::string_view name) {
  const bool is_grease = name.size() == 2 && name[0] == name[1] && (name[0] & 0x0f) == 0x0a;
  return !name.empty() && !is_grease && std::all_of(name.begin(), name.end(), [](char c) {
    return c > 0x20 && c < 0x7f;  // and not the blank: a name is one word
  });
}

void read_server_name(Part extension, ClientHello& hello) {
  Part list = extension.sized_part(2);
  list.expect(list.size_bytes() > 0 && !extension.has_more());
  bool has_host = false;
  while (list.has_more()) {
    const size_t type = list.number(1);
    const Part name = list.sized_part(2);
    if (type != kNameTypeHost) continue;
    list.expect(name.size_bytes() > 0 && !has_host);
    has_host = true;
    if (is_server_name(name.bytes())) hello.server_name = name.bytes();
  }
}

void read_protocols(Part extension, ClientHello& hello) {
  Part list = extension.sized_part(2);
  list.expect(list.size_bytes() > 0 && !extension.has_more());
  while (list.has_more()) {
    const Part name = list.sized_part(1);
    list.expect(name.size_bytes() > 0);
    if (is_protocol_name(name.bytes())) hello.protocols.emplace_back(name.bytes());
  }
}

void read_extensions(Part extensions, ClientHello& hello) {
  bool has_server_name = false;
  bool has_protocols = false;
  while (extensions.has_more()) {
    const size_t type = extensions.number(2);
    const Part extension = extensions.sized_part(2);
    // None may come twice (RFC 8446 section 4.2), and of these two it would matter which one
    // counts.
    if (type == kExtensionServerName) {
      extensions.expect(!has_server_name);
      has_server_name = true;
      read_server_name(extension, hello);
    } else if (type == kExtensionALPN) {
      extensions.expect(!has_protocols);
      has_protocols = true;
      read_protocols(extension, hello);
    }
  }
}

void read_body(Part body, ClientHello& hello) {
  body.expect(body.size_bytes() >= kMinBodyBytes);
  body.expect(body.number(2) >> 8 == kMajorVersion);
  body.skip(kRandomBytes);
  body.expect(body.sized_part(1).size_bytes() <= kMaxSessionIDBytes);
  const size_t suites_bytes = body.sized_part(2).size_bytes();
  body.expect(suites_bytes > 0 && suites_bytes % 2 == 0);
  body.expect(body.sized_part(1).size_bytes() > 0);  // methods of compression
  if (!body.has_more()) return;                      // TLS 1.0 had no extensions
  const Part extensions = body.sized_part(2);
  body.expect(!body.has_more());
  read_extensions(extensions, hello);
}

// The messages of a handshake without the records that they are cut into.
struct Messages {
  std::string_view first;  // what is there of the first record
  std::string joined;      // of all, when there are several
  bool is_sound = true;
  size_t left_in_record = 0;  // bytes of the last record that are not there yet
  size_t left_in_header = 0;  // the same, of a header behind it

  std::string_view bytes() const { return joined.empty() ? first : std::string_view(joined); }
};

// Of a header that is whole.
size_t record_bytes(std::string_view header) {
  return static_cast<size_t>(static_cast<unsigned char>(header[3])) << 8 |
         static_cast<unsigned char>(header[4]);
}

// `header` is what is there of it.
bool may_be_header(std::string_view header) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(header[i]); };
  if (!header.empty() && byte(0) != kTypeHandshake) return false;
  if (header.size() > 1 && byte(1) != kMajorVersion) return false;
  if (header.size() > 2 && byte(2) > kMaxMinorVersion) return false;
  if (header.size() > 3 && byte(3) > kMaxRecordBytes >> 8) return false;
  if (header.size() < kRecordHeaderBytes) return true;
  return record_bytes(header) > 0 && record_bytes(header) <= kMaxRecordBytes;
}

size_t message_bytes(std::string_view messages) {
  Progress progress = Progress::kGoing;
  Part header(messages, messages.size(), progress);
  header.skip(1);
  return kMessageHeaderBytes + header.number(3);
}

// Reads records until the first message is whole or the stream ends.
Messages unwrap(std::string_view stream) {
  Messages messages;
  while (true) {
    const std::string_view header = stream.substr(0, kRecordHeaderBytes);
    messages.is_sound = may_be_header(header);
    messages.left_in_header = kRecordHeaderBytes - header.size();
    if (!messages.is_sound || messages.left_in_header > 0) return messages;
    const std::string_view fragment = stream.substr(kRecordHeaderBytes, record_bytes(header));
    messages.left_in_record = record_bytes(header) - fragment.size();
    stream.remove_prefix(kRecordHeaderBytes + fragment.size());
    if (messages.first.empty()) {
      messages.first = fragment;
    } else {
      if (messages.joined.empty()) messages.joined = messages.first;
      messages.joined += fragment;
    }
    const std::string_view bytes = messages.bytes();
    const bool is_whole =
        bytes.size() >= kMessageHeaderBytes && bytes.size() >= message_bytes(bytes);
    if (is_whole || messages.left_in_record > 0) return messages;
  }
}

// How long the stream is at least when `missing` more bytes of the message have come.
size_t needed_bytes(size_t there, const Messages& messages, size_t missing) {
  const bool has_header = messages.left_in_header > 0;  // a part of it, or it is due
  const size_t in_record = has_header ? kMaxRecordBytes : messages.left_in_record;
  const size_t beyond = missing - std::min(missing, in_record);
  const size_t headers = (beyond + kMaxRecordBytes - 1) / kMaxRecordBytes;
  return there + messages.left_in_header + missing + headers * kRecordHeaderBytes;
}

HelloReading more(size_t needed_bytes) {
  if (needed_bytes > kMaxHelloBytes) return {Outcome::kNone};
  return {Outcome::kNeedsMore, needed_bytes};
}

}  // namespace

HelloReading read_client_hello(std::span<const std::byte> stream) {
  const std::string_view text(reinterpret_cast<const char*>(stream.data()), stream.size());
  const Messages messages = unwrap(text.substr(0, kMaxHelloBytes));
  const std::string_view bytes = messages.bytes();
  if (!messages.is_sound) return {Outcome::kNone};
  if (!bytes.empty() && bytes[0] != kTypeClientHello) return {Outcome::kNone};
  if (bytes.size() < kMessageHeaderBytes) {
    return more(needed_bytes(stream.size(), messages, kMessageHeaderBytes - bytes.size()));
  }
  const size_t size_bytes = message_bytes(bytes);
  Progress progress = Progress::kGoing;
  HelloReading reading;
  const std::string_view body = bytes.substr(kMessageHeaderBytes, size_bytes - kMessageHeaderBytes);
  read_body({body, size_bytes - kMessageHeaderBytes, progress}, reading.hello);
  if (progress == Progress::kMalformed) return {Outcome::kNone};
  if (bytes.size() < size_bytes) {
    return more(needed_bytes(stream.size(), messages, size_bytes - bytes.size()));
  }
  reading.outcome = Outcome::kFound;
  return reading;
}

}  // namespace lb::net
