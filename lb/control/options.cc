#include "lb/control/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "lb/config/service.h"
#include "lb/control/overrides.h"
#include "lb/util/duration.h"
#include "lb/util/suggest.h"

namespace lb::control {
namespace {

constexpr uint32_t kMaxWorkers = 1024;

constexpr std::pair<std::string_view, config::EngineChoice> kEngines[] = {
    {"auto", config::EngineChoice::kAuto},
    {"io_uring", config::EngineChoice::kIOUring},
    {"epoll", config::EngineChoice::kEpoll}};

std::vector<std::string> engine_names() {
  std::vector<std::string> names;
  for (const auto& [name, choice] : kEngines) names.emplace_back(name);
  return names;
}

std::vector<std::string> endpoint_actions() {
  std::vector<std::string> actions;
  for (const auto& [word, action] : kEndpointActions) actions.emplace_back(word);
  return actions;
}

void add_config(CLI::App& command, Options& options) {
  command.add_option("--config", options.config_path, "The configuration file")
      ->capture_default_str();
}

void add_runtime(CLI::App& command, Options& options) {
  const auto set_engine = [&options](const std::string& name) {
    for (const auto& [known, choice] : kEngines) {
      if (known == name) options.engine = choice;
    }
  };
  command.add_option_function<std::string>("--engine", set_engine, "Which engine serves")
      ->check(CLI::IsMember(engine_names()))
      ->type_name("ENGINE");
  command.add_option("--workers", options.workers, "Worker threads; 0 = one per usable CPU")
      ->check(CLI::Range(uint32_t{0}, kMaxWorkers))
      ->type_name("N");
}

void add_socket(CLI::App& command, Options& options) {
  command.add_option("--socket", options.socket_path, "The control socket of the process")
      ->capture_default_str();
  const auto set_timeout = [&options](const std::string& text) {
    const std::optional<int64_t> timeout_ms = util::parse_duration_ms(text);
    if (!timeout_ms || *timeout_ms == 0) {
      throw CLI::ValidationError("--timeout", "a duration like 30s or 1m30s");
    }
    options.timeout_ms = *timeout_ms;
  };
  command.add_option_function<std::string>("--timeout", set_timeout, "How long to wait (30s)")
      ->type_name("DURATION");
}

CLI::App* add_endpoint(CLI::App& app, Options& options) {
  CLI::App* endpoint = app.add_subcommand("endpoint", "Change an endpoint until the next restart");
  endpoint->add_option("SERVICE", options.service, "\"name\" or \"namespace/name\"")->required();
  endpoint->add_option("ADDRESS", options.address, "ip:port, [ip]:port, or a path")->required();
  endpoint
      ->add_option("ACTION", options.action,
                   "drain: no new connections; down: as if it had failed; ready: neither; weight N")
      ->required()
      ->check(CLI::IsMember(endpoint_actions()));
  endpoint->add_option("N", options.weight, "The weight")
      ->check(CLI::Range(uint32_t{0}, static_cast<uint32_t>(config::kMaxEndpointWeight)));
  endpoint->callback([&options] {
    if ((options.action == "weight") == options.weight.has_value()) return;
    throw CLI::ValidationError("N", "\"weight\" takes a number, the other actions take none");
  });
  return endpoint;
}

// The commands that ask a running process, each with what it is.
std::vector<std::pair<CLI::App*, Command>> add_talking_commands(CLI::App& app, Options& options) {
  CLI::App* status = app.add_subcommand("status", "What the running process serves, and how");
  CLI::App* reload = app.add_subcommand("reload", "Load the file anew; says why if it is refused");
  reload->add_flag("--wait", options.wait, "Wait for the outcome, which it does anyway");
  CLI::App* diff = app.add_subcommand("diff", "What a reload of the file would change");
  add_config(*diff, options);
  CLI::App* lookup =
      app.add_subcommand("lookup", "Which endpoint ConsistentHash gives to a client");
  lookup->add_option("SERVICE", options.service, "name or namespace/name")->required();
  lookup->add_option("ADDRESS", options.address, "The client's IP address")->required();
  CLI::App* ready = app.add_subcommand("ready", "Exit with 0 if the process wants traffic");
  CLI::App* drain = app.add_subcommand("drain", "Take no new connections, end when all are gone");
  CLI::App* endpoint = add_endpoint(app, options);
  for (CLI::App* command : {status, reload, diff, lookup, ready, drain, endpoint}) {
    add_socket(*command, options);
  }
  for (CLI::App* command : {status, diff, lookup, ready}) {
    command->add_flag("--json", options.json, "As JSON");
  }
  return {{status, Command::kStatus},    {reload, Command::kReload}, {diff, Command::kDiff},
          {lookup, Command::kLookup},    {ready, Command::kReady},   {drain, Command::kDrain},
          {endpoint, Command::kEndpoint}};
}

// Whether the first word should be a command and is none; says what was probably meant.
bool is_unknown_command(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || std::string_view(argv[1]).starts_with('-')) return false;
  const std::string_view word = argv[1];
  std::vector<std::string_view> known;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    known.emplace_back(command->get_name());
  }
  if (std::find(known.begin(), known.end(), word) != known.end()) return false;
  const std::string_view meant = util::suggest(word, known);
  std::cerr << fmt::format("sluice: there is no command \"{}\"{}; `sluice --help` lists them\n",
                           word, meant.empty() ? "" : fmt::format(", did you mean \"{}\"?", meant));
  return true;
}

}  // namespace

ParsedOptions parse_options(int argc, char** argv) {
  Options options;
  CLI::App app("Sluice, a TCP load balancer", "sluice");
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Print the help of all commands and exit");

  CLI::App* run = app.add_subcommand("run", "Serve in the foreground; SIGTERM drains");
  add_config(*run, options);
  add_runtime(*run, options);
  CLI::App* check = app.add_subcommand("check", "Say everything that is wrong with the file");
  add_config(*check, options);
  check->add_flag("--bind", options.bind, "Also try to bind the listeners");
  check->add_flag("--strict", options.strict, "Warnings fail, too");
  check->add_flag("--json", options.json, "As JSON");
  CLI::App* convert = app.add_subcommand("convert", "Kubernetes manifests to TOML, on stdout");
  convert->add_option("FILE", options.manifests, "YAML or JSON; - is stdin")->required();
  CLI::App* demo =
      app.add_subcommand("demo", "Two listeners in front of small HTTP servers of its own");
  add_runtime(*demo, options);
  const auto talking = add_talking_commands(app, options);
  CLI::App* version = app.add_subcommand("version", "Version, libraries, and engines found here");
  version->add_flag("--json", options.json, "As JSON");

  if (is_unknown_command(app, argc, argv)) return {std::nullopt, 2};
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return {std::nullopt, app.exit(error) == 0 ? 0 : 2};
  }
  if (check->parsed()) options.command = Command::kCheck;
  if (convert->parsed()) options.command = Command::kConvert;
  if (demo->parsed()) options.command = Command::kDemo;
  for (const auto& [app_command, command] : talking) {
    if (app_command->parsed()) options.command = command;
  }
  if (version->parsed()) options.command = Command::kVersion;
  return {options, 0};
}

}  // namespace lb::control
