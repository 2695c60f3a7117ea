// What `sluice demo` serves and says: the guide's example in front of backends of its own.
#pragma once

#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

namespace lb::control {

// The configuration of the demo as TOML: a gateway with the listeners foo (port 8000) and bar
// (port 8001), one route for both, and one service whose endpoints are these ports of 127.0.0.1.
std::string demo_config(std::span<const uint16_t> backend_ports);

// The commands to try against it, one a line.
void print_demo_hints(std::FILE* out);

}  // namespace lb::control
