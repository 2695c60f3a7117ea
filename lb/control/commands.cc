#include "lb/control/commands.h"

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "lb/config/attach.h"
#include "lb/config/load.h"
#include "lb/control/controller.h"
#include "lb/control/demo.h"
#include "lb/control/demo_backend.h"
#include "lb/proxy/snapshot.h"

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

// What attach() has to say about a configuration that loads, in its place in the file.
std::vector<config::Fault> findings_of(const config::LoadResult& loaded) {
  std::vector<config::Fault> findings = config::attach(*loaded.config).findings;
  config::locate(findings, loaded.sources);
  return findings;
}

int serve(const Options& options, config::LoadResult loaded, std::function<void()> on_ready) {
  config::Config config = *loaded.config;
  if (options.engine) config.runtime.engine = *options.engine;
  if (options.workers) config.runtime.workers = *options.workers;

  const util::RecordFormat format = config.log.format == config::LogFormat::kJSON
                                        ? util::RecordFormat::kJSON
                                        : util::RecordFormat::kLogfmt;
  util::LogSink sink(kStderr, format);
  util::Log log(sink, level_of(config.log.level), format);
  std::vector<config::Fault> warnings = std::move(loaded.faults);
  for (config::Fault& finding : findings_of(loaded)) warnings.push_back(std::move(finding));
  for (const config::Fault& warning : warnings) {
    log.warn(
        "configuration",
        {{"at", fmt::format("{}:{}:{}", warning.file, warning.where.line, warning.where.column)},
         {"code", config::code_text(warning)},
         {"why", warning.message}});
  }
  Controller controller(std::move(config), sink, log);
  controller.set_on_ready(std::move(on_ready));
  const absl::Status status = controller.run();
  if (status.ok()) return kSuccess;
  log.error("cannot serve", {{"why", std::string(status.message())}});
  return kFailure;
}

}  // namespace

int run_command(const Options& options) {
  config::LoadResult loaded = config::load_file(options.config_path);
  if (!loaded.config) {
    print_faults(loaded.faults);
    return kBadConfig;
  }
  return serve(options, std::move(loaded), nullptr);
}

int check_command(const Options& options) {
  const config::LoadResult loaded = config::load_file(options.config_path);
  print_faults(loaded.faults);
  if (!loaded.config) return kBadConfig;
  const std::vector<config::Fault> findings = findings_of(loaded);
  print_faults(findings);
  size_t warnings = loaded.faults.size() + findings.size();

  const config::Attachment attachment = config::attach(*loaded.config);
  const auto snapshot = proxy::compile(*loaded.config, attachment, nullptr);
  if (!snapshot.ok()) {
    fmt::print(stderr, "{}: {}\n", options.config_path, std::string(snapshot.status().message()));
    return kBadConfig;
  }
  if (options.bind) {
    const BoundSockets sockets = bind_listeners(**snapshot, 1);
    for (const BindFailure& failure : sockets.failures) {
      const proxy::ListenerSnapshot& listener = (*snapshot)->listeners[failure.listener];
      fmt::print(stderr, "{}: warning: listener {} of gateway {} cannot listen on {}: {}\n",
                 options.config_path, listener.name, listener.gateway, failure.address,
                 failure.why);
    }
    warnings += sockets.failures.size();
  }
  if (options.strict && warnings > 0) {
    fmt::print("{}: {} warnings, and --strict\n", options.config_path, warnings);
    return kBadConfig;
  }
  fmt::print("{}: valid: {} listeners, {} routes, {} services, {} warnings\n", options.config_path,
             (*snapshot)->listeners.size(), (*snapshot)->routes.size(),
             loaded.config->services.size(), warnings);
  return kSuccess;
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
  config::LoadResult loaded = config::load_text(demo_config(ports), "demo");
  if (!loaded.config) {
    print_faults(loaded.faults);
    return kFailure;
  }
  return serve(options, std::move(loaded), [] { print_demo_hints(stdout); });
}

}  // namespace lb::control
