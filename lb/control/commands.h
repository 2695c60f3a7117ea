// The commands of the binary, one function each; each returns the exit status.
#pragma once

#include "lb/control/options.h"

namespace lb::control {

int run_command(const Options& options);
int check_command(const Options& options);
int convert_command(const Options& options);
int demo_command(const Options& options);
int version_command(const Options& options);

}  // namespace lb::control
