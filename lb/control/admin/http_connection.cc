#include "lb/control/admin/http_connection.h"

#include <span>
#include <string_view>
#include <utility>

#include "lb/control/admin/http_server.h"
#include "lb/util/assert.h"

namespace lb::control {
namespace {

constexpr uint32_t kReadBytes = 16 * 1024;

}  // namespace

HttpConnection::HttpConnection(HttpServer& server, int fd) : server_(server), fd_(fd) {
  recv_.bind<&HttpConnection::on_recv>(this);
  send_.bind<&HttpConnection::on_sent>(this);
  timer_.bind<&HttpConnection::on_timer>(this);
}

HttpConnection::~HttpConnection() {
  LB_ASSERT(!recv_.in_flight() && !send_.in_flight() && !timer_.is_running());
}

event::Engine& HttpConnection::engine() { return server_.engine_; }

void HttpConnection::start() {
  wake_in(server_.limits_.request_ms);
  read();
}

void HttpConnection::turn_away(const HttpResponse& response) { answer(response); }

void HttpConnection::shut() {
  if (state_ == State::kSending) {
    wake_in(kLastWordsMs);
  } else {
    close();
  }
  settle();
}

void HttpConnection::read() {
  if (!recv_.in_flight()) engine().recv(recv_, fd_, kReadBytes);
}

void HttpConnection::on_recv(event::Completion completion) {
  const bool has_ended = completion.result <= 0;
  switch (state_) {
    case State::kReading:
      if (has_ended) {
        close();
      } else {
        take_in();
      }
      break;
    case State::kLingering:
      discarded_bytes_ += recv_.lease.bytes().size();
      recv_.lease.reset();
      if (has_ended || discarded_bytes_ > server_.limits_.linger_bytes) {
        close();
      } else {
        read();
      }
      break;
    case State::kHandling:
    case State::kSending:
    case State::kClosed:
      break;
  }
  recv_.lease.reset();
  settle();
}

void HttpConnection::take_in() {
  const std::span<const std::byte> bytes = recv_.lease.bytes();
  const auto state = parser_.feed({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  recv_.lease.reset();
  switch (state) {
    case HttpRequestParser::State::kMore:
      return read();
    case HttpRequestParser::State::kBad:
      return answer(parser_.error());
    case HttpRequestParser::State::kDone:
      return dispatch();
  }
}

void HttpConnection::dispatch() {
  state_ = State::kHandling;
  wake_in(server_.limits_.answer_ms);
  server_.handler_(parser_.request(), [weak = weak_from_this()](const HttpResponse& response) {
    if (const std::shared_ptr<HttpConnection> self = weak.lock()) self->answer(response);
  });
}

void HttpConnection::answer(const HttpResponse& response) {
  if (state_ != State::kReading && state_ != State::kHandling) return;
  state_ = State::kSending;
  out_ = http_text(response, parser_.request().method == "HEAD");
  wake_in(server_.limits_.request_ms);
  engine().send(send_, fd_, std::as_bytes(std::span(out_)));
}

void HttpConnection::on_sent(event::Completion completion) {
  if (state_ == State::kSending) {
    if (completion.result < 0 || server_.is_closing_) {
      close();
    } else {
      // Closing with something unread would take the answer back from a client that still writes.
      state_ = State::kLingering;
      engine().shutdown_write(fd_);
      wake_in(server_.limits_.linger_ms);
      read();
    }
  }
  settle();
}

void HttpConnection::on_timer() {
  switch (state_) {
    case State::kReading:
      answer(http_error(408, "the request did not come in time"));
      break;
    case State::kHandling:
      answer(http_error(504, "no answer in time"));
      break;
    case State::kSending:
    case State::kLingering:
    case State::kClosed:
      close();
      break;
  }
  settle();
}

void HttpConnection::wake_in(int64_t duration_ms) {
  engine().timers().start(timer_, engine().now_ms() + duration_ms);
}

void HttpConnection::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  engine().timers().stop(timer_);
  engine().cancel(recv_);
  engine().cancel(send_);
}

void HttpConnection::settle() {
  if (state_ != State::kClosed || recv_.in_flight() || send_.in_flight()) return;
  server_.release(*this);
}

}  // namespace lb::control
