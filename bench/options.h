// The command line of sluice-bench, as plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/compare.h"
#include "bench/load_options.h"
#include "lb/net/address.h"

namespace lb::bench {

enum class Command { kLoad, kBackend, kRelay, kCompare };

struct Options {
  Command command = Command::kLoad;
  LoadOptions load;
  CompareOptions compare;
  net::Address listen;           // backend, relay; load: a backend of its own, if any
  std::vector<net::Address> to;  // relay
  std::string by = "epoll";      // relay
  bool json = false;             // load
  std::string json_path;         // compare
  std::string plot_path;         // compare
  std::string markdown_path;     // compare
};

// Options, or the exit status when everything has been said already.
struct ParsedOptions {
  std::optional<Options> options;
  int exit_status = 0;
};

ParsedOptions parse_options(int argc, char** argv);

}  // namespace lb::bench
