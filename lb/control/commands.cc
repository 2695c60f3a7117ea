#include "lb/control/commands.h"

#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "lb/config/load.h"
#include "lb/control/admin/status_services.h"
#include "lb/control/controller.h"
#include "lb/control/demo.h"
#include "lb/control/demo_backend.h"
#include "lb/control/status.h"
#include "lb/util/clock.h"
#include "lb/util/counted.h"

namespace lb::control {
namespace {

constexpr int kSuccess = 0;
constexpr int kFailure = 1;
constexpr int kBadConfig = 2;

constexpr int kStderr = 2;
constexpr size_t kDemoBackends = 3;

void print_faults(const std::vector<config::Fault>& faults) {
  for (const config::Fault& fault : faults) {
    const std::string text = config::format(fault);
    std::fwrite(text.data(), 1, text.size(), stderr);
  }
}

util::LogLevel level_of(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::kDebug:
      return util::LogLevel::kDebug;
    case config::LogLevel::kInfo:
      return util::LogLevel::kInfo;
    case config::LogLevel::kWarn:
      return util::LogLevel::kWarn;
    case config::LogLevel::kError:
      break;
  }
  return util::LogLevel::kError;
}

util::RecordFormat format_of(config::LogFormat format) {
  return format == config::LogFormat::kJSON ? util::RecordFormat::kJSON
                                            : util::RecordFormat::kLogfmt;
}

// What was loaded, with what the command line overrides.
config::LoadResult with_overrides(config::LoadResult loaded, const Options& options) {
  if (!loaded.config) return loaded;
  if (options.engine) loaded.config->runtime.engine = *options.engine;
  if (options.workers) loaded.config->runtime.workers = *options.workers;
  return loaded;
}

int serve(const Options& options, const Deployment::Source& load, std::function<void()> on_ready) {
  const Deployment::Source source = [load, options](const config::LoadResult* served) {
    return with_overrides(load(served), options);
  };
  config::LoadResult loaded = source(nullptr);
  if (!loaded.config) {
    print_faults(loaded.faults);
    return kBadConfig;
  }
  const util::RecordFormat format = format_of(loaded.config->log.format);
  util::LogSink sink(kStderr, format);
  util::Log log(sink, level_of(loaded.config->log.level), format);
  Controller controller(std::move(loaded), source, sink, log);
  controller.set_on_ready(std::move(on_ready));
  const absl::Status status = controller.run();
  if (status.ok()) return kSuccess;
  log.error("cannot serve", {{"why", std::string(status.message())}});
  return kFailure;
}

// What `check` has found out.
struct Check {
  std::vector<config::Fault> faults;  // of loading, attaching and binding
  config::Status status;
  size_t listeners = 0;
  size_t routes = 0;
  nlohmann::json services = nlohmann::json::array();
};

absl::Status check_loaded(config::LoadResult loaded, const Options& options, Check& check) {
  balance::EndpointRegistry registry;
  absl::StatusOr<Deployed> deployed = compile_deployed(std::move(loaded), registry);
  if (!deployed.ok()) return deployed.status();
  const std::vector<config::Fault>& findings = deployed->attachment.findings;
  check.faults.insert(check.faults.end(), findings.begin(), findings.end());
  check.listeners = deployed->snapshot->listeners.size();
  check.routes = deployed->snapshot->routes.size();
  check.services = services_status(*deployed, false);
  config::StatusInput input = {*deployed->loaded.config, deployed->attachment};
  input.generation = 1;
  input.now_ms = util::wall_now_us() / 1000;
  std::vector<config::BindOutcome> bound;
  if (options.bind) {
    BoundSockets sockets = bind_listeners(*deployed->snapshot, 1, {});
    deployed->bind_failures = std::move(sockets.failures);
    bound = bind_outcomes(deployed->attachment, sockets.open, deployed->bind_failures);
    input.bound = &bound;
    const std::vector<config::Fault> unbound = bind_faults(*deployed);
    check.faults.insert(check.faults.end(), unbound.begin(), unbound.end());
  }
  check.status = config::make_status(input);
  return absl::OkStatus();
}

}  // namespace

int run_command(const Options& options) {
  return serve(
      options,
      [path = options.config_path](const config::LoadResult* served) {
        return config::load_file(path, served);
      },
      nullptr);
}

int check_command(const Options& options) {
  config::LoadResult loaded = config::load_file(options.config_path);
  const bool is_valid = loaded.config.has_value();
  Check check;
  check.faults = loaded.faults;
  if (is_valid) {
    const absl::Status status = check_loaded(std::move(loaded), options, check);
    if (!status.ok()) {
      fmt::print(stderr, "{}: {}\n", options.config_path, std::string(status.message()));
      return kBadConfig;
    }
  }
  print_faults(check.faults);
  if (options.json) {
    nlohmann::json json = status_json(check.status);
    json["generation"] = check.status.generation;
    json["services"] = check.services;
    json["faults"] = faults_json(check.faults);
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else if (is_valid) {
    fmt::print("{}\n", condition_lines(check.status));
  }
  if (!is_valid) return kBadConfig;
  const bool fails = options.strict && !check.faults.empty();
  if (!options.json) {
    fmt::print("{}: {}: {}, {}, {}, {}\n", options.config_path,
               fails ? "not valid with --strict" : "valid",
               util::counted(check.listeners, "listener", "listeners"),
               util::counted(check.routes, "route", "routes"),
               util::counted(check.services.size(), "service", "services"),
               util::counted(check.faults.size(), "warning", "warnings"));
  }
  return fails ? kBadConfig : kSuccess;
}

int demo_command(const Options& options) {
  std::vector<std::unique_ptr<DemoBackend>> backends;
  std::vector<uint16_t> ports;
  for (size_t i = 1; i <= kDemoBackends; ++i) {
    absl::StatusOr<std::unique_ptr<DemoBackend>> backend =
        DemoBackend::start(fmt::format("backend-{}", i));
    if (!backend.ok()) {
      fmt::print(stderr, "sluice demo: {}\n", std::string(backend.status().message()));
      return kFailure;
    }
    ports.push_back((*backend)->port());
    backends.push_back(*std::move(backend));
  }
  return serve(
      options,
      [text = demo_config(ports)](const config::LoadResult*) {
        return config::load_text(text, "demo");
      },
      [] { print_demo_hints(stdout); });
}

}  // namespace lb::control
