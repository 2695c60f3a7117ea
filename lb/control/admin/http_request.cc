#include "lb/control/admin/http_request.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "fmt/format.h"

namespace lb::control {
namespace {

// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) {
  constexpr std::string_view kPunctuation = "!#$%&'*+-.^_`|~";
  const auto is_token_char = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kPunctuation.find(c) != std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// Tab, space, visible ASCII, and anything above it (RFC 9110 section 5.5).
bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The first line of `text`, taken off it, without its end.
std::string_view take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool equals(std::string_view a, std::string_view b) {
  return absl::EqualsIgnoreCase({a.data(), a.size()}, {b.data(), b.size()});
}

std::string_view phrase_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
}

}  // namespace

HttpResponse http_error(int status, std::string_view why) {
  HttpResponse response;
  response.status = status;
  const nlohmann::json json = {{"error", std::string(why)}};
  response.body = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return response;
}

std::string http_text(const HttpResponse& response, bool head_only) {
  std::string text = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n",
      response.status, phrase_of(response.status), response.content_type, response.body.size());
  if (!response.allow.empty()) text += fmt::format("Allow: {}\r\n", response.allow);
  text += "Connection: close\r\n\r\n";
  if (!head_only) text += response.body;
  return text;
}

HttpRequestParser::State HttpRequestParser::fail(int status, std::string_view why) {
  error_ = http_error(status, why);
  pending_.clear();
  return state_ = State::kBad;
}

HttpRequestParser::State HttpRequestParser::feed(std::string_view bytes) {
  if (state_ != State::kMore) return state_;
  if (!has_head_) {
    pending_.append(bytes);
    // Who speaks another protocol, TLS for one, hears it at once.
    if (!pending_.empty() && !is_token(std::string_view(pending_).substr(0, 1))) {
      return fail(400, "not HTTP");
    }
    const size_t end = find_head_end();
    if (end > kMaxHeadBytes && pending_.size() > kMaxHeadBytes) {
      return fail(431, fmt::format("the request's head is over {} bytes", kMaxHeadBytes));
    }
    if (end == std::string::npos) return State::kMore;
    has_head_ = true;
    const std::string head = std::exchange(pending_, {});
    if (read_head(std::string_view(head).substr(0, end)) == State::kBad) return state_;
    return feed(std::string_view(head).substr(end));
  }
  const auto missing = static_cast<size_t>(body_bytes_) - request_.body.size();
  request_.body.append(bytes.substr(0, missing));
  return state_ = request_.body.size() == body_bytes_ ? State::kDone : State::kMore;
}

size_t HttpRequestParser::find_head_end() {
  for (size_t end = pending_.find('\n', searched_); end != std::string::npos;
       end = pending_.find('\n', end + 1)) {
    const std::string_view rest = std::string_view(pending_).substr(end + 1);
    if (rest.starts_with('\n')) return end + 2;
    if (rest.starts_with("\r\n")) return end + 3;
    // Its continuation may not have come yet.
    if (rest.size() < 2) {
      searched_ = end;
      return std::string::npos;
    }
  }
  searched_ = pending_.size();
  return std::string::npos;
}

HttpRequestParser::State HttpRequestParser::read_head(std::string_view head) {
  if (read_request_line(take_line(head)) == State::kBad) return state_;
  for (std::string_view line = take_line(head); !line.empty(); line = take_line(head)) {
    if (read_field(line) == State::kBad) return state_;
  }
  return check_fields();
}

HttpRequestParser::State HttpRequestParser::read_request_line(std::string_view line) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return fail(400, "no request line");
  const std::string_view method = line.substr(0, first);
  std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method) || !is_visible(target)) return fail(400, "a malformed request line");
  is_http_1_0_ = version == "HTTP/1.0";
  if (!is_http_1_0_ && version != "HTTP/1.1") {
    const bool is_http = version.starts_with("HTTP/");
    return is_http ? fail(505, "HTTP/1.1 is spoken here") : fail(400, "not HTTP");
  }
  // A client that takes us for a proxy names the scheme and the host, too (RFC 9112 3.2.2).
  constexpr std::string_view kScheme = "http://";
  if (target.starts_with(kScheme)) {
    const size_t path = target.find('/', kScheme.size());
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  if (!target.starts_with('/')) return fail(400, "the target must begin with '/'");
  const size_t question = target.find('?');
  request_.method = method;
  request_.path = target.substr(0, question);
  if (question != std::string_view::npos) request_.query = target.substr(question + 1);
  return State::kMore;
}

HttpRequestParser::State HttpRequestParser::read_field(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return fail(400, "a header line without a colon");
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  // A folded line begins with a blank and is refused here as well (RFC 9112 5.2).
  if (!is_token(name)) return fail(400, "a malformed header name");
  if (!is_field_value(value)) return fail(400, "a control character in a header");
  if (equals(name, "content-length")) return read_body_size(value);
  if (equals(name, "host")) ++hosts_;
  if (equals(name, "transfer-encoding")) is_chunked_ = true;
  if (equals(name, "expect")) expects_ = true;
  return State::kMore;
}

HttpRequestParser::State HttpRequestParser::read_body_size(std::string_view value) {
  // Two sizes, even equal ones, are what smuggled requests are made of (RFC 9112 section 11.2).
  if (has_body_size_) return fail(400, "Content-Length came twice");
  has_body_size_ = true;
  const char* const end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, body_bytes_);
  if (error == std::errc::result_out_of_range) {
    body_bytes_ = UINT64_MAX;
  } else if (error != std::errc() || stop != end) {
    return fail(400, "Content-Length is no number");
  }
  return State::kMore;
}

HttpRequestParser::State HttpRequestParser::check_fields() {
  if (hosts_ > 1 || (hosts_ == 0 && !is_http_1_0_)) return fail(400, "no Host, or several");
  if (is_chunked_) return fail(501, "a body needs a Content-Length here");
  if (body_bytes_ > kMaxBodyBytes) {
    return fail(413, fmt::format("the body is over {} bytes", kMaxBodyBytes));
  }
  // The client then sends the request again without it (RFC 9110 section 15.5.18).
  if (expects_) return fail(417, "nothing is expected here");
  return State::kMore;
}

}  // namespace lb::control
