// A small HTTP/1.1 server for the process's own pages, on the operations of the control thread's
// engine: no thread of its own, and it never blocks. Written here rather than taken from a library,
// since it has to know a unix socket's peer, to keep to strict bounds whoever the client is, and to
// share one thread with signals and reloads; libraries bring threads. Every connection carries one
// request. Control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "lb/control/admin/http_connection.h"
#include "lb/control/admin/http_request.h"
#include "lb/event/engine.h"
#include "lb/net/fd.h"

namespace lb::control {

struct HttpLimits {
  size_t connections = 64;        // who comes beyond is closed at once
  int64_t request_ms = 10'000;    // to send a request, and to take the answer
  int64_t answer_ms = 300'000;    // until the handler has answered, else 504
  int64_t linger_ms = 1'000;      // after the answer, for the client to close first
  size_t linger_bytes = 1 << 20;  // of a request that is answered already, thrown away meanwhile
};

class HttpServer {
 public:
  // To be called once, at once or later, or never; the client may be gone by then, and the server.
  using Respond = std::function<void(HttpResponse)>;
  using Handler = std::function<void(const HttpRequest&, Respond)>;
  // Whether a new client may ask at all, from its socket; null = everybody. Else it gets a 403.
  using Admit = std::function<bool(int fd)>;

  // `listener` is a listening socket. The engine must outlive the server.
  HttpServer(event::Engine& engine, net::UniqueFd listener, Admit admit, Handler handler,
             const HttpLimits& limits = {});
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  // Runs the loop until the last operation has ended.
  ~HttpServer();

  size_t connections() const { return connections_.size(); }

 private:
  friend class HttpConnection;

  static constexpr int64_t kPauseMs = 100;  // after an accept failed, for descriptors to come free

  void arm();
  void on_accept(event::Completion completion);
  void begin(int fd);
  // Closes the socket and destroys the connection.
  void release(HttpConnection& connection);

  event::Engine& engine_;
  net::UniqueFd listener_;
  const Admit admit_;
  const Handler handler_;
  const HttpLimits limits_;
  event::AcceptOp accept_;
  event::Timer pause_;
  bool is_closing_ = false;
  std::map<HttpConnection*, std::shared_ptr<HttpConnection>> connections_;
};

}  // namespace lb::control
