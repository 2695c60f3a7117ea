// Conversations that any transparent TCP path carries unchanged. Each has a side for the backend
// and one for the client; they pass with nothing in between, and must pass through the balancer.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "test/support/tcp_backend.h"

namespace lb::test {

struct RelayScript {
  std::string name;
  TcpBackend::Script backend;
  std::function<void(Socket&)> client;
};

std::vector<RelayScript> relay_scripts();

}  // namespace lb::test
