// One client of an HttpServer: reads one request, hands it over, writes the answer, and goes. Lives
// until nothing is in flight any more. Control thread.
//
//   reading --whole--> handling --answer--> sending --written--> lingering --> closed
//      '--bad, late, not admitted: the answer is an error --^
#pragma once

#include <memory>
#include <string>

#include "lb/control/admin/http_request.h"
#include "lb/event/engine.h"

namespace lb::control {

class HttpServer;

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  // Takes over `fd`, an accepted socket of the server's engine.
  HttpConnection(HttpServer& server, int fd);
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;
  ~HttpConnection();

  void start();
  // Answers whatever the client says with this.
  void turn_away(const HttpResponse& response);
  // Ends it, at once or after the answer that is on its way; may destroy it.
  void shut();

 private:
  friend class HttpServer;

  // How long an answer may still take when the server goes.
  static constexpr int64_t kLastWordsMs = 200;

  enum class State { kReading, kHandling, kSending, kLingering, kClosed };

  event::Engine& engine();
  void read();
  void on_recv(event::Completion completion);
  void take_in();
  void dispatch();
  // Only the first answer counts.
  void answer(const HttpResponse& response);
  void on_sent(event::Completion completion);
  void on_timer();
  void wake_in(int64_t duration_ms);
  void close();
  // The last call of every handler: destroys the connection when it is closed and nothing is in
  // flight.
  void settle();

  HttpServer& server_;
  const int fd_;
  HttpRequestParser parser_;
  event::RecvOp recv_;
  event::SendOp send_;
  event::Timer timer_;
  std::string out_;
  size_t discarded_bytes_ = 0;
  State state_ = State::kReading;
};

}  // namespace lb::control
