#include "lb/control/admin/admin.h"

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "fmt/format.h"
#include "lb/control/admin/admin_page.h"
#include "lb/control/admin/metrics.h"
#include "lb/net/socket.h"

namespace lb::control {
namespace {

constexpr int kBacklog = 128;

HttpResponse json_response(int status, const nlohmann::json& json) {
  HttpResponse response;
  response.status = status;
  // Messages may quote what stands in a file; what is not UTF-8 there is replaced.
  response.body = json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return response;
}

nlohmann::json to_json(const ChangeCount& count) {
  return {{"added", count.added}, {"removed", count.removed}, {"changed", count.changed}};
}

nlohmann::json to_json(const Diff& diff) {
  return {{"listeners", to_json(diff.listeners)},
          {"routes", to_json(diff.routes)},
          {"endpoints", to_json(diff.endpoints)},
          {"connectionsOnRemovedListeners", diff.connections_on_removed_listeners},
          {"connectionsOnRemovedEndpoints", diff.connections_on_removed_endpoints}};
}

// Nothing when it is none of ours.
std::optional<EndpointWish> read_wish(const std::string& body) {
  const nlohmann::json json = nlohmann::json::parse(body, nullptr, false);
  const auto text = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : "";
  };
  if (!json.is_object()) return std::nullopt;
  const std::optional<EndpointAction> action = parse_endpoint_action(text("action"));
  EndpointWish wish = {text("service"), text("address")};
  if (!action || wish.service.empty() || wish.address.empty()) return std::nullopt;
  wish.action = *action;
  if (wish.action != EndpointAction::kWeight) return wish;
  const auto weight = json.find("weight");
  if (weight == json.end() || !weight->is_number_unsigned()) return std::nullopt;
  if (weight->get<uint64_t>() > config::kMaxEndpointWeight) return std::nullopt;
  wish.weight = weight->get<uint32_t>();
  return wish;
}

}  // namespace

Admin::Admin(event::Engine& engine, util::Log& log, AdminHooks hooks)
    : engine_(engine), log_(log), hooks_(std::move(hooks)) {}

const std::vector<Admin::Page>& Admin::pages() {
  static const std::vector<Page> kPages = {
      {"GET", "/", true, &Admin::serve_front},
      {"GET", "/status", true, &Admin::serve_status},
      {"GET", "/metrics", true, &Admin::serve_metrics},
      {"GET", "/ready", true, &Admin::serve_ready},
      {"GET", "/live", true, &Admin::serve_live},
      {"POST", "/reload", false, &Admin::serve_reload},
      {"POST", "/diff", false, &Admin::serve_diff},
      {"POST", "/endpoint", false, &Admin::serve_endpoint},
      {"POST", "/lookup", false, &Admin::serve_lookup},
      {"POST", "/drain", false, &Admin::serve_drain},
  };
  return kPages;
}

void Admin::open(const config::Admin& config) {
  if (!config.socket.empty()) open_socket(config.socket);
  if (config.http.is_ip()) open_address(config.http);
}

void Admin::open_socket(const std::string& path) {
  absl::StatusOr<std::unique_ptr<AdminSocket>> socket = AdminSocket::open(path);
  if (!socket.ok()) {
    const util::Log::Fields fields = {{"path", path},
                                      {"why", std::string(socket.status().message())}};
    // The default is an offer; a path of the operator's own is an order.
    if (path == config::kDefaultControlSocket) return log_.warn("no control socket", fields);
    return log_.error("no control socket", fields);
  }
  socket_ = *std::move(socket);
  control_server_ = std::make_unique<HttpServer>(
      engine_, socket_->take_fd(), [this](int fd) { return socket_->may_ask(fd); },
      [this](const Request& request, const Respond& respond) { handle(false, request, respond); });
}

void Admin::open_address(const net::Address& address) {
  net::ListenOptions options;
  options.reuse_port = false;
  options.backlog = kBacklog;
  net::UniqueFd fd;
  if (const int error = net::listen_stream(address, options, &fd); error < 0) {
    return log_.error("no [admin] http",
                      {{"address", address.to_string()}, {"why", std::strerror(-error)}});
  }
  public_server_ = std::make_unique<HttpServer>(
      engine_, std::move(fd), nullptr,
      [this](const Request& request, const Respond& respond) { handle(true, request, respond); });
}

void Admin::handle(bool is_public, const Request& request, const Respond& respond) {
  const std::string_view method =
      request.method == "HEAD" ? "GET" : std::string_view(request.method);
  std::string allow;
  for (const Page& page : pages()) {
    if (page.path != request.path || (is_public && !page.is_public)) continue;
    if (page.method == method) return (this->*page.serve)(request, respond);
    allow = page.method == "GET" ? "GET, HEAD" : page.method;
  }
  if (allow.empty()) return respond(http_error(404, "there is no such page"));
  HttpResponse response = http_error(405, "not with this method");
  response.allow = allow;
  respond(response);
}

void Admin::serve_status(const Request&, const Respond& respond) {
  respond(json_response(200, hooks_.status()));
}

void Admin::serve_metrics(const Request&, const Respond& respond) {
  HttpResponse response;
  response.content_type = kMetricsContentType;
  response.body = hooks_.metrics();
  respond(response);
}

void Admin::serve_ready(const Request&, const Respond& respond) {
  const std::string why_not = hooks_.not_ready();
  if (why_not.empty()) return respond(json_response(200, {{"ready", true}}));
  respond(json_response(503, {{"ready", false}, {"reason", why_not}}));
}

void Admin::serve_live(const Request&, const Respond& respond) {
  respond(json_response(200, {{"live", true}}));
}

void Admin::serve_front(const Request&, const Respond& respond) {
  HttpResponse response;
  response.content_type = "text/html; charset=utf-8";
  response.body = front_page(hooks_.status(), hooks_.not_ready());
  respond(response);
}

void Admin::serve_reload(const Request&, const Respond& respond) {
  hooks_.reload([respond](const ReloadOutcome& outcome) {
    nlohmann::json json = {{"applied", outcome.applied}, {"generation", outcome.generation}};
    if (outcome.applied) return respond(json_response(200, json));
    json["error"] = outcome.error;
    json["faults"] = outcome.faults;
    respond(json_response(409, json));
  });
}

void Admin::serve_diff(const Request& request, const Respond& respond) {
  const nlohmann::json wish = nlohmann::json::parse(request.body, nullptr, false);
  if (!wish.is_object() || !wish.contains("config") || !wish["config"].is_string()) {
    return respond(http_error(400, "the body must be {\"config\": PATH}"));
  }
  const absl::StatusOr<Diff> diff = hooks_.diff(wish["config"].get<std::string>());
  if (!diff.ok()) return respond(http_error(422, std::string(diff.status().message())));
  respond(json_response(200, to_json(*diff)));
}

void Admin::serve_endpoint(const Request& request, const Respond& respond) {
  const std::optional<EndpointWish> wish = read_wish(request.body);
  if (!wish) {
    return respond(http_error(
        400,
        "the body must be {\"service\", \"address\", \"action\": \"drain\", \"ready\", \"down\" or "
        "\"weight\", \"weight\": 0 to 1000000}"));
  }
  const absl::StatusOr<std::string> text = hooks_.change_endpoint(*wish);
  if (!text.ok()) {
    const int status = absl::IsNotFound(text.status()) ? 404 : 422;
    return respond(http_error(status, std::string(text.status().message())));
  }
  const nlohmann::json in_force = text->empty() ? nlohmann::json() : nlohmann::json(*text);
  respond(json_response(200, {{"override", in_force}}));
}

void Admin::serve_lookup(const Request& request, const Respond& respond) {
  const nlohmann::json wish = nlohmann::json::parse(request.body, nullptr, false);
  const auto is_text = [&](const char* key) {
    return wish.is_object() && wish.contains(key) && wish[key].is_string();
  };
  if (!is_text("service") || !is_text("address")) {
    return respond(http_error(400, "the body must be {\"service\": NAME, \"address\": IP}"));
  }
  const auto results =
      hooks_.lookup(wish["service"].get<std::string>(), wish["address"].get<std::string>());
  if (!results.ok()) {
    const int status = absl::IsNotFound(results.status()) ? 404 : 422;
    return respond(http_error(status, std::string(results.status().message())));
  }
  nlohmann::json endpoints = nlohmann::json::array();
  for (const LookupAnswer& result : *results) {
    endpoints.push_back({{"endpoint", result.endpoint.empty() ? nlohmann::json(nullptr)
                                                              : nlohmann::json(result.endpoint)},
                         {"home", result.home}});
  }
  respond(json_response(200, {{"service", wish["service"]},
                              {"address", wish["address"]},
                              {"endpoint", endpoints.front()["endpoint"]},
                              {"endpoints", endpoints}}));
}

void Admin::serve_drain(const Request&, const Respond& respond) {
  hooks_.drain();
  respond(json_response(200, {{"draining", true}}));
}

}  // namespace lb::control
