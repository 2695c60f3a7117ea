// HTTP/1.1 messages as far as the process's own pages need them (RFC 9112): one request out of a
// stream of bytes, and a response into text. Pure and bounded: neither an endless line nor a large
// body is ever kept. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lb::control {

inline constexpr size_t kMaxHeadBytes = 8 * 1024;  // request line and header, with their line ends
inline constexpr size_t kMaxBodyBytes = 64 * 1024;

struct HttpRequest {
  std::string method;  // as sent: "GET"
  std::string path;    // "/status", not decoded
  std::string query;   // what follows the '?'
  std::string body;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string allow;  // of a 405: the methods that the path has
};

// {"error": why} with that status.
HttpResponse http_error(int status, std::string_view why);

// The response as it goes out. Every response is the last one of its connection. With `head_only`
// the body is left out, as an answer to HEAD wants it.
std::string http_text(const HttpResponse& response, bool head_only);

class HttpRequestParser {
 public:
  enum class State {
    kMore,  // not all of it has come
    kDone,  // request() is whole; what comes after it is ignored
    kBad,   // error() is the answer
  };

  // Takes in the next bytes of the stream, in pieces of any size.
  State feed(std::string_view bytes);

  const HttpRequest& request() const { return request_; }
  const HttpResponse& error() const { return error_; }

 private:
  State fail(int status, std::string_view why);
  // Where the head ends, npos when it has not come yet.
  size_t find_head_end();
  State read_head(std::string_view head);
  State read_request_line(std::string_view line);
  State read_field(std::string_view line);
  State read_body_size(std::string_view value);
  State check_fields();

  std::string pending_;  // the head as far as it has come
  size_t searched_ = 0;  // of pending_: no end of the head before here
  bool has_head_ = false;
  bool is_http_1_0_ = false;
  int hosts_ = 0;
  bool has_body_size_ = false;
  bool is_chunked_ = false;
  bool expects_ = false;
  uint64_t body_bytes_ = 0;
  State state_ = State::kMore;
  HttpRequest request_;
  HttpResponse error_;
};

}  // namespace lb::control
