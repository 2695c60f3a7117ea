#include "lb/control/admin/http_server.h"

#include <cerrno>
#include <utility>
#include <vector>

namespace lb::control {

HttpServer::HttpServer(event::Engine& engine, net::UniqueFd listener, Admit admit, Handler handler,
                       const HttpLimits& limits)
    : engine_(engine),
      listener_(std::move(listener)),
      admit_(std::move(admit)),
      handler_(std::move(handler)),
      limits_(limits) {
  accept_.bind<&HttpServer::on_accept>(this);
  pause_.bind<&HttpServer::arm>(this);
  arm();
}

HttpServer::~HttpServer() {
  is_closing_ = true;
  engine_.timers().stop(pause_);
  engine_.cancel(accept_);
  std::vector<std::shared_ptr<HttpConnection>> open;
  for (const auto& [key, connection] : connections_) open.push_back(connection);
  for (const auto& connection : open) connection->shut();
  open.clear();
  while (accept_.in_flight() || !connections_.empty()) engine_.run_once(util::kNever);
  engine_.close(listener_.release(), event::CloseMode::kFin);
}

void HttpServer::arm() { engine_.accept(accept_, listener_.get(), true); }

void HttpServer::on_accept(event::Completion completion) {
  if (completion.result >= 0) begin(completion.result);
  if (completion.more || is_closing_) return;
  if (completion.result >= 0) return arm();
  engine_.timers().start(pause_, engine_.now_ms() + kPauseMs);
}

void HttpServer::begin(int fd) {
  if (is_closing_ || connections_.size() >= limits_.connections) {
    return engine_.close(fd, event::CloseMode::kFin);
  }
  const auto connection = std::make_shared<HttpConnection>(*this, fd);
  connections_.emplace(connection.get(), connection);
  if (!admit_ || admit_(fd)) {
    connection->start();
  } else {
    connection->turn_away(http_error(403, "this user may not use the control socket"));
  }
}

void HttpServer::release(HttpConnection& connection) {
  engine_.close(connection.fd_, event::CloseMode::kFin);
  connections_.erase(&connection);
}

}  // namespace lb::control
