#include "lb/control/client/client.h"

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "lb/config/load.h"
#include "lb/control/client/client_socket.h"
#include "lb/control/client/client_text.h"

namespace lb::control {
namespace {

constexpr int kSuccess = 0;
constexpr int kFailure = 1;
constexpr int kBadConfig = 2;

constexpr int kOK = 200;
constexpr int kUnavailable = 503;

// An answer that was understood.
struct Answer {
  int status = 0;
  nlohmann::json json;
};

// The answer, or nothing after a line that says why.
std::optional<Answer> ask(const Options& options, std::string_view method, std::string_view path,
                          std::string_view body = {}) {
  const absl::StatusOr<ClientAnswer> answer =
      ask_process(options.socket_path, method, path, body, options.timeout_ms);
  if (!answer.ok()) {
    fmt::print(stderr, "sluice: {}\n", std::string(answer.status().message()));
    return std::nullopt;
  }
  nlohmann::json json = nlohmann::json::parse(answer->body, nullptr, false);
  if (!json.is_object()) {
    fmt::print(stderr, "sluice: {} does not speak our language\n", options.socket_path);
    return std::nullopt;
  }
  return Answer{answer->status, std::move(json)};
}

// Says what the process answered instead of what it was asked for.
int say_error(const Answer& answer) {
  fmt::print(stderr, "sluice: {}\n",
             answer.json.value("error", fmt::format("status {}", answer.status)));
  return kFailure;
}

void print_json(const nlohmann::json& json) { fmt::print("{}\n", json.dump(2)); }

int status(const Options& options) {
  const std::optional<Answer> answer = ask(options, "GET", "/status");
  if (!answer) return kFailure;
  if (answer->status != kOK) return say_error(*answer);
  if (options.json) {
    print_json(answer->json);
  } else {
    fmt::print("{}", status_text(answer->json));
  }
  return kSuccess;
}

int reload(const Options& options) {
  const std::optional<Answer> answer = ask(options, "POST", "/reload");
  if (!answer) return kFailure;
  if (answer->status == kOK) {
    fmt::print("applied: generation {}\n", answer->json.value("generation", uint64_t{0}));
    return kSuccess;
  }
  const nlohmann::json faults = answer->json.value("faults", nlohmann::json::array());
  for (const nlohmann::json& fault : faults) {
    if (fault.is_string()) fmt::print(stderr, "{}", fault.get<std::string>());
  }
  return say_error(*answer);
}

int diff(const Options& options) {
  // Here it can be said in full what is wrong with the file; the process shows nobody what is in
  // files that it can read.
  const config::LoadResult loaded = config::load_file(options.config_path);
  for (const config::Fault& fault : loaded.faults) {
    fmt::print(stderr, "{}", config::format(fault));
  }
  if (!loaded.config) return kBadConfig;
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(options.config_path, error);
  const nlohmann::json wish = {{"config", path.string()}};
  const std::optional<Answer> answer =
      ask(options, "POST", "/diff",
          wish.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  if (!answer) return kFailure;
  if (answer->status != kOK) return say_error(*answer);
  if (options.json) {
    print_json(answer->json);
  } else {
    fmt::print("{}", diff_text(answer->json));
  }
  return kSuccess;
}

int lookup(const Options& options) {
  const nlohmann::json wish = {{"service", options.service}, {"address", options.address}};
  const std::optional<Answer> answer =
      ask(options, "POST", "/lookup",
          wish.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  if (!answer) return kFailure;
  if (answer->status != kOK) return say_error(*answer);
  if (options.json) {
    print_json(answer->json);
  } else {
    fmt::print("{}", lookup_text(answer->json));
  }
  return kSuccess;
}

int ready(const Options& options) {
  const std::optional<Answer> answer = ask(options, "GET", "/ready");
  if (!answer) return kFailure;
  const bool is_ready = answer->status == kOK;
  if (!is_ready && answer->status != kUnavailable) return say_error(*answer);
  if (options.json) {
    print_json(answer->json);
  } else if (is_ready) {
    fmt::print("ready\n");
  } else {
    fmt::print("not ready: {}\n", answer->json.value("reason", ""));
  }
  return is_ready ? kSuccess : kFailure;
}

int drain(const Options& options) {
  const std::optional<Answer> answer = ask(options, "POST", "/drain");
  if (!answer) return kFailure;
  if (answer->status != kOK) return say_error(*answer);
  fmt::print("draining\n");
  return kSuccess;
}

int endpoint(const Options& options) {
  nlohmann::json wish = {
      {"service", options.service}, {"address", options.address}, {"action", options.action}};
  if (options.weight) wish["weight"] = *options.weight;
  const std::optional<Answer> answer =
      ask(options, "POST", "/endpoint",
          wish.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  if (!answer) return kFailure;
  if (answer->status != kOK) return say_error(*answer);
  const auto in_force = answer->json.find("override");
  const bool is_overridden = in_force != answer->json.end() && in_force->is_string();
  fmt::print("{} {}: {}\n", options.service, options.address,
             is_overridden ? in_force->get<std::string>() : "as the file says");
  return kSuccess;
}

// Whoever listens on that path may be somebody else, with JSON of another shape.
int guarded(int (*command)(const Options&), const Options& options) {
  try {
    return command(options);
  } catch (const nlohmann::json::exception& error) {
    fmt::print(stderr, "sluice: an answer that makes no sense: {}\n", error.what());
    return kFailure;
  }
}

}  // namespace

int status_command(const Options& options) { return guarded(status, options); }
int reload_command(const Options& options) { return guarded(reload, options); }
int diff_command(const Options& options) { return guarded(diff, options); }
int lookup_command(const Options& options) { return guarded(lookup, options); }
int ready_command(const Options& options) { return guarded(ready, options); }
int drain_command(const Options& options) { return guarded(drain, options); }
int endpoint_command(const Options& options) { return guarded(endpoint, options); }

}  // namespace lb::control
