#include "lb/control/demo_backend.h"

#include <absl/status/status.h>
#include <httplib.h>

#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace lb::control {
namespace {

// The library adds these to the headers of every request; no client sent them.
constexpr std::array<std::string_view, 4> kAddedByLibrary = {"REMOTE_ADDR", "REMOTE_PORT",
                                                             "LOCAL_ADDR", "LOCAL_PORT"};

bool added_by_library(std::string_view key) {
  for (const std::string_view added : kAddedByLibrary) {
    if (key == added) return true;
  }
  return false;
}

// A header that came more than once is one entry, its values joined as RFC 9110 5.3 says.
std::string headers_as_json(const httplib::Request& request) {
  nlohmann::json headers = nlohmann::json::object();
  for (const auto& [key, value] : request.headers) {
    if (added_by_library(key)) continue;
    const auto [entry, is_new] = headers.emplace(key, value);
    if (!is_new) *entry = entry->get<std::string>() + ", " + value;
  }
  const nlohmann::json answer = {{"headers", std::move(headers)}};
  // A header may hold any bytes; what is not UTF-8 is replaced instead of refused.
  return answer.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

DemoBackend::DemoBackend(std::string name)
    : name_(std::move(name)), server_(std::make_unique<httplib::Server>()) {
  server_->Get("/headers", [](const httplib::Request& request, httplib::Response& response) {
    response.set_content(headers_as_json(request), "application/json");
  });
  server_->Get("/", [this](const httplib::Request&, httplib::Response& response) {
    response.set_content("Hello from " + name_ + "\n", "text/plain");
  });
}

absl::StatusOr<std::unique_ptr<DemoBackend>> DemoBackend::start(std::string name) {
  std::unique_ptr<DemoBackend> backend(new DemoBackend(std::move(name)));
  const int port = backend->server_->bind_to_any_port("127.0.0.1");
  if (port <= 0) return absl::UnavailableError("demo backend: no free port on 127.0.0.1");
  backend->port_ = static_cast<uint16_t>(port);

  backend->thread_ = std::thread([self = backend.get()] {
    self->server_->listen_after_bind();
    self->ended_ = true;
  });
  // stop() before the server runs would be lost, and the destructor would wait for ever. Older
  // versions of the library have no call that waits for this.
  while (!backend->server_->is_running()) {
    if (backend->ended_) return absl::UnavailableError("demo backend: cannot listen");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return backend;
}

DemoBackend::~DemoBackend() {
  server_->stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace lb::control
