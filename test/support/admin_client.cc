#include "test/support/admin_client.h"

#include <sstream>

#include "test/support/failure.h"

namespace lb::test {

Reply curl(std::vector<std::string> arguments, const std::function<void()>& before_exec) {
  std::vector<std::string> argv = {"curl", "-sS", "--max-time", "60", "-w", "\n%{http_code}"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const CommandResult result =
      run_command({.argv = argv, .before_exec = before_exec}, std::chrono::seconds(90));
  Reply reply;
  reply.curl_code = result.code;
  if (result.out.empty()) return reply;
  const size_t end = result.out.rfind('\n', result.out.size() - 2);
  reply.status = std::stoi(result.out.substr(end + 1));
  reply.body = result.out.substr(0, end);
  return reply;
}

Reply ask(const SluiceProcess& process, const std::string& path,
          std::vector<std::string> arguments) {
  arguments.insert(arguments.end(),
                   {"--unix-socket", process.control_socket(), "http://sluice" + path});
  return curl(std::move(arguments));
}

nlohmann::json status_of(const SluiceProcess& process) {
  const Reply reply = ask(process, "/status");
  if (reply.status != 200) throw Failure("status: " + reply.body);
  return nlohmann::json::parse(reply.body);
}

std::map<std::string, double> metrics_of(const SluiceProcess& process) {
  std::istringstream lines(ask(process, "/metrics").body);
  std::map<std::string, double> samples;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t blank = line.rfind(' ');
    samples[line.substr(0, blank)] = std::stod(line.substr(blank + 1));
  }
  return samples;
}

CommandResult command(const SluiceProcess& process, std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--socket", process.control_socket()});
  return run_sluice(std::move(arguments));
}

}  // namespace lb::test
