#include "lb/control/options.h"

#include <CLI/CLI.hpp>
#include <string_view>
#include <utility>
#include <vector>

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
  CLI::App* demo =
      app.add_subcommand("demo", "Two listeners in front of small HTTP servers of its own");
  add_runtime(*demo, options);
  CLI::App* version = app.add_subcommand("version", "Version, libraries, and engines found here");
  version->add_flag("--json", options.json, "As JSON");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return {std::nullopt, app.exit(error) == 0 ? 0 : 2};
  }
  if (check->parsed()) options.command = Command::kCheck;
  if (demo->parsed()) options.command = Command::kDemo;
  if (version->parsed()) options.command = Command::kVersion;
  return {options, 0};
}

}  // namespace lb::control
