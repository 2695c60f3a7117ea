// The commands that talk to a running process over its control socket: status, reload, diff, ready,
// drain, endpoint. Each returns the exit status of the program; without an answer it is 1, after
// one line that says why. Main thread.
#pragma once

#include "lb/control/options.h"

namespace lb::control {

int status_command(const Options& options);
int reload_command(const Options& options);
int diff_command(const Options& options);
int ready_command(const Options& options);
int drain_command(const Options& options);
int endpoint_command(const Options& options);

}  // namespace lb::control
