// The reading order of the program: signals first, then the command line, then the command.
#include "lb/control/client/client.h"
#include "lb/control/commands.h"
#include "lb/control/options.h"
#include "lb/control/signals.h"

int main(int argc, char** argv) {
  // Before any thread exists, so that all inherit it.
  lb::control::block_signals();
  const lb::control::ParsedOptions parsed = lb::control::parse_options(argc, argv);
  if (!parsed.options) return parsed.exit_status;
  switch (parsed.options->command) {
    case lb::control::Command::kRun:
      return lb::control::run_command(*parsed.options);
    case lb::control::Command::kCheck:
      return lb::control::check_command(*parsed.options);
    case lb::control::Command::kConvert:
      return lb::control::convert_command(*parsed.options);
    case lb::control::Command::kDemo:
      return lb::control::demo_command(*parsed.options);
    case lb::control::Command::kStatus:
      return lb::control::status_command(*parsed.options);
    case lb::control::Command::kReload:
      return lb::control::reload_command(*parsed.options);
    case lb::control::Command::kDiff:
      return lb::control::diff_command(*parsed.options);
    case lb::control::Command::kLookup:
      return lb::control::lookup_command(*parsed.options);
    case lb::control::Command::kReady:
      return lb::control::ready_command(*parsed.options);
    case lb::control::Command::kDrain:
      return lb::control::drain_command(*parsed.options);
    case lb::control::Command::kEndpoint:
      return lb::control::endpoint_command(*parsed.options);
    case lb::control::Command::kVersion:
      break;
  }
  return lb::control::version_command(*parsed.options);
}
