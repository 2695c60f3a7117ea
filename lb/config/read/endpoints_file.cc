#include "lb/config/read/endpoints_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <optional>
#include <string>

#include "lb/config/ip_text.h"
#include "lb/net/address.h"
#include "lb/util/suggest.h"

namespace lb::config {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr size_t kMaxShown = 80;

// Each once, NAME=N; the first is what a number alone was meant to be.
struct Option {
  std::string_view name;
  int64_t max;
  uint32_t Endpoint::*field;
};

constexpr std::array<Option, 3> kOptions = {
    {{"weight", kMaxEndpointWeight, &Endpoint::weight},
     {"priority", kMaxEndpointPriority, &Endpoint::priority},
     {"maxConnections", kMaxEndpointConnections, &Endpoint::max_connections}}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

// The file need not be text, but a message must.
std::string quoted(std::string_view word) {
  std::string out = "\"";
  for (const char c : word.substr(0, kMaxShown)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte >= 0x7F ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return out + (word.size() > kMaxShown ? "...\"" : "\"");
}

std::optional<int64_t> parse_number(std::string_view text, int64_t min, int64_t max) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_whole = is_number(text) && error == std::errc() && end == text.data() + text.size();
  if (!is_whole || value < min || value > max) return std::nullopt;
  return value;
}

bool is_ip(std::string_view text, int family) {
  const absl::StatusOr<net::Address> address = net::Address::parse(text, 0);
  return address.ok() && address->family() == family;
}

bool is_endpoint(std::string_view word) {
  return is_ip(word, AF_INET) || is_ip(word, AF_INET6) || parse_ip_port(word).has_value();
}

// What was probably meant by a word that is no endpoint; "" when that is not easy to see.
std::string suggest_endpoint(std::string_view word) {
  if (const size_t scheme = word.find("://"); scheme != std::string_view::npos) {
    word.remove_prefix(scheme + 3);
  }
  word = word.substr(0, word.find_first_of("/,;"));
  if (is_endpoint(word)) return std::string(word);
  const size_t colon = word.rfind(':');
  if (colon == std::string_view::npos) return "";
  std::string in_brackets = fmt::format("[{}]{}", word.substr(0, colon), word.substr(colon));
  if (is_endpoint(in_brackets)) return in_brackets;
  std::string bare(word);
  std::erase_if(bare, [](char c) { return c == '[' || c == ']'; });
  return is_endpoint(bare) ? bare : "";
}

// The IP at the word's beginning, without brackets, and what follows it; "" when there is none.
std::string_view split_ip(std::string_view word, std::string_view& rest) {
  rest = word.substr(word.size());
  if (is_ip(word, AF_INET) || is_ip(word, AF_INET6)) return word;
  const bool has_brackets = word.starts_with('[');
  const size_t end = has_brackets ? word.find(']') : word.rfind(':');
  if (end == std::string_view::npos) return {};
  const std::string_view ip = has_brackets ? word.substr(1, end - 1) : word.substr(0, end);
  rest = word.substr(has_brackets ? end + 1 : end);
  return is_ip(ip, has_brackets ? AF_INET6 : AF_INET) ? ip : std::string_view();
}

class LineParser {
 public:
  LineParser(std::string_view line, SourcePosition start, FaultList& faults)
      : line_(line), start_(start), faults_(faults) {}

  // Nothing for a line without an endpoint, or with a fault.
  std::optional<Endpoint> parse() {
    const std::string_view word = next_word();
    if (word.empty()) return std::nullopt;
    Endpoint endpoint;
    endpoint.where = place_of(word);
    if (!read_target(word, endpoint)) return std::nullopt;
    for (std::string_view option = next_word(); !option.empty(); option = next_word()) {
      if (!read_option(option, endpoint)) return std::nullopt;
    }
    return endpoint;
  }

 private:
  // Empty at the line's end or a comment.
  std::string_view next_word() {
    const size_t begin = std::min(line_.find_first_not_of(kBlanks, next_), line_.size());
    if (begin == line_.size() || line_[begin] == '#') return {};
    next_ = std::min(line_.find_first_of(kBlanks, begin), line_.size());
    return line_.substr(begin, next_ - begin);
  }

  // Of a part of the line.
  SourcePosition place_of(std::string_view part) const {
    const auto* const end = part.data();
    const auto characters = std::count_if(
        line_.data(), end, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
    return {start_.file, start_.line, start_.column + static_cast<uint32_t>(characters)};
  }

  bool fault(FaultCode code, std::string_view at, std::string message,
             std::string_view suggestion = {}) {
    faults_.error(code, place_of(at), std::move(message), suggestion);
    return false;
  }

  bool read_target(std::string_view word, Endpoint& endpoint) {
    if (word.starts_with('/') || word.starts_with('@')) {
      endpoint.path = word;
      if (net::Address::from_unix_path(word).ok()) return true;
      return fault(FaultCode::kBadPath, word,
                   "the path of a unix socket is at most 107 bytes long");
    }
    std::string_view rest;
    const std::string_view ip = split_ip(word, rest);
    if (ip.empty() || !(rest.empty() || rest.starts_with(':'))) {
      return fault(FaultCode::kBadAddress, word,
                   fmt::format("an endpoint must be an IP address, ADDRESS:PORT, [IPV6]:PORT or "
                               "the path of a unix socket, but this is {}",
                               quoted(word)),
                   suggest_endpoint(word));
    }
    endpoint.address = ip;
    return rest.empty() || read_port(rest.substr(1), endpoint);
  }

  bool read_port(std::string_view text, Endpoint& endpoint) {
    const std::optional<int64_t> port = parse_number(text, 1, 65535);
    if (!port) {
      return fault(FaultCode::kOutOfRange, text,
                   fmt::format("port must be within 1..65535, but is {}", quoted(text)));
    }
    endpoint.port = static_cast<uint16_t>(*port);
    return true;
  }

  bool read_option(std::string_view word, Endpoint& endpoint) {
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos) {
      return fault(FaultCode::kSyntax, word,
                   fmt::format("an endpoint is followed by weight=N or nothing, but here is {}",
                               quoted(word)),
                   is_number(word) ? fmt::format("{}={}", kOptions.front().name, word) : "");
    }
    const std::string_view key = word.substr(0, equals);
    for (size_t i = 0; i < kOptions.size(); ++i) {
      if (kOptions[i].name == key) return read_value(i, word.substr(equals + 1), word, endpoint);
    }
    std::vector<std::string_view> names;
    for (const Option& option : kOptions) names.push_back(option.name);
    return fault(FaultCode::kUnknownKey, word, fmt::format("unknown key {}", quoted(key)),
                 util::suggest(key, names));
  }

  bool read_value(size_t index, std::string_view text, std::string_view word, Endpoint& endpoint) {
    const Option& option = kOptions[index];
    if (seen_.test(index)) {
      return fault(FaultCode::kDuplicateKey, word, fmt::format("{} is set twice", option.name));
    }
    seen_.set(index);
    const std::optional<int64_t> value = parse_number(text, 0, option.max);
    if (!value) {
      return fault(
          FaultCode::kOutOfRange, text,
          fmt::format("{} must be within 0..{}, but is {}", option.name, option.max, quoted(text)));
    }
    endpoint.*option.field = static_cast<uint32_t>(*value);
    return true;
  }

  std::string_view line_;
  SourcePosition start_;
  FaultList& faults_;
  size_t next_ = 0;                    // where the next word may begin
  std::bitset<kOptions.size()> seen_;  // those that the line has
};

}  // namespace

void parse_endpoints(std::string_view text, uint32_t file, std::vector<Endpoint>& endpoints,
                     FaultList& faults) {
  SourcePosition start{file, 0, 1};
  while (!text.empty()) {
    ++start.line;
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find('\0') != std::string_view::npos) {
      faults.error(FaultCode::kNotText, start,
                   "this is not a text file: it has a NUL byte in this line");
      return;
    }
    if (std::optional<Endpoint> endpoint = LineParser(line, start, faults).parse()) {
      endpoints.push_back(*std::move(endpoint));
    }
  }
}

}  // namespace lb::config
