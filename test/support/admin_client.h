// What a process answers to those who ask it how it is: curl on its control socket, and the
// commands of its own binary.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "test/support/sluice_process.h"

namespace lb::test {

struct Reply {
  int curl_code = 0;  // curl's exit code
  int status = 0;     // of HTTP
  std::string body;
};

Reply curl(std::vector<std::string> arguments, const std::function<void()>& before_exec = {});

// Asks for a page over the control socket.
Reply ask(const SluiceProcess& process, const std::string& path,
          std::vector<std::string> arguments = {});

nlohmann::json status_of(const SluiceProcess& process);

// The samples of /metrics, by name and labels.
std::map<std::string, double> metrics_of(const SluiceProcess& process);

// Runs a command that talks to the process.
CommandResult command(const SluiceProcess& process, std::vector<std::string> arguments);

}  // namespace lb::test
