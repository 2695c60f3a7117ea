// The command line: what was asked for, as plain values. Main thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lb/config/runtime.h"

namespace lb::control {

enum class Command {
  kStatus,
  kReload,
  kDiff,
  kLookup,
  kReady,
  kDrain,
  kEndpoint,
  kRun,
  kCheck,
  kConvert,
  kDemo,
  kVersion
};

inline constexpr const char* kDefaultConfigPath = "/etc/sluice/sluice.toml";

struct Options {
  Command command = Command::kRun;
  std::string config_path = kDefaultConfigPath;
  // Each overrides [runtime] when it is given.
  std::optional<config::EngineChoice> engine;
  std::optional<uint32_t> workers;
  bool bind = false;                   // check: also try the listeners
  bool strict = false;                 // check: warnings fail
  bool json = false;                   // version, and the commands that ask a running process
  std::vector<std::string> manifests;  // convert: files; "-" = stdin
  // For the commands that talk to a running process.
  std::string socket_path = config::kDefaultControlSocket;
  int64_t timeout_ms = 30'000;
  bool wait = false;    // reload: changes nothing, since it always waits
  std::string service;  // endpoint, lookup: "name" or "namespace/name"
  std::string address;  // of the endpoint; lookup: of the client
  // endpoint: what is to become of it.
  std::string action;              // "drain", "ready", "down" or "weight"
  std::optional<uint32_t> weight;  // of "weight", and then there
};

// What came of the command line: options, or an exit status when everything has been said already
// (help: 0, bad usage: 2).
struct ParsedOptions {
  std::optional<Options> options;
  int exit_status = 0;
};

ParsedOptions parse_options(int argc, char** argv);

}  // namespace lb::control
