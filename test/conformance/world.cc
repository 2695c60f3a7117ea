#include "test/conformance/world.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>

#include "test/conformance/echo_backend.h"
#include "test/support/balancer.h"
#include "test/support/failure.h"
#include "test/support/port_allocator.h"

namespace lb::test {
namespace {

constexpr uint16_t kServerPort = 3000;
constexpr size_t kFirstServerHost = 11;
constexpr std::string_view kSeparator = "---\n";

}  // namespace

std::string read_manifests(const std::string& name) {
  const char* folder = std::getenv("SLUICE_MANIFESTS");
  if (folder == nullptr) throw Failure("SLUICE_MANIFESTS is not set: run the tests through meson");
  std::ifstream file(std::string(folder) + "/" + name);
  if (!file.good()) throw Failure("no manifests " + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string without_manifest(const std::string& manifests, const std::string& text) {
  std::string kept;
  int removed = 0;
  for (size_t begin = 0; begin < manifests.size();) {
    const size_t end = std::min(manifests.find(kSeparator, begin), manifests.size());
    const std::string document = manifests.substr(begin, end - begin);
    const bool has_text = document.find(text) != std::string::npos;
    removed += has_text ? 1 : 0;
    if (!has_text) kept += document + std::string(kSeparator);
    begin = end + kSeparator.size();
  }
  if (removed != 1) throw Failure(fmt::format("{} manifests have '{}' in them", removed, text));
  return kept;
}

World::World(const std::string& engine, const std::vector<std::string>& servers) : engine_(engine) {
  for (size_t i = 0; i < servers.size(); ++i) {
    const std::string ip = fmt::format("127.0.0.{}", kFirstServerHost + i);
    servers_.push_back(std::make_unique<TcpBackend>(echo_server(servers[i]), at(kServerPort, ip)));
  }
}

void World::apply(const std::string& manifests) {
  const std::string path = dir_.write("manifests.yaml", with_real_ports(manifests));
  const CommandResult converted = run_sluice({"convert", path});
  if (converted.code != 0) throw Failure("convert: " + converted.err);
  if (process_ == nullptr) {
    process_ = std::make_unique<SluiceProcess>(
        converted.out, SluiceOptions{.engine = engine_, .arguments = {"--workers", "2"}});
    return;
  }
  process_->write_config(converted.out);
  const CommandResult reloaded = command({"reload", "--wait"});
  if (reloaded.code != 0) throw Failure("reload: " + reloaded.err);
}

StatusView World::status() const {
  const CommandResult result = command({"status", "--json"});
  if (result.code != 0) throw Failure("status: " + result.err);
  return StatusView(nlohmann::json::parse(result.out));
}

net::Address World::at(uint16_t port, const std::string& ip) {
  return ip_address(ip, real_port(port));
}

std::string World::reached_by(uint16_t port) { return reached(at(port)); }

void World::expect_refused_by(uint16_t port) { expect_refused(at(port)); }

// Its descriptors cannot be compared with those of the start: reloads came with listeners.
void World::stop() {
  process_->send_signal(SIGTERM);
  const int code = process_->wait_exit();
  if (code != 0 || process_->log().count("connections_left=0") != 1) {
    throw Failure(fmt::format("exit code {}:\n{}", code, process_->log().text()));
  }
}

uint16_t World::real_port(uint16_t port) {
  const auto [entry, is_new] = ports_.try_emplace(port);
  if (is_new) entry->second = allocate_port();
  return entry->second;
}

std::string World::with_real_ports(const std::string& manifests) {
  static const std::regex kPort("([pP]ort): ([0-9]+)");
  std::string out;
  std::string rest = manifests;
  for (std::smatch match; std::regex_search(rest, match, kPort); rest = match.suffix()) {
    const auto port = static_cast<uint16_t>(std::stoi(match[2]));
    out += match.prefix().str() + match[1].str() + ": " + std::to_string(real_port(port));
  }
  return out + rest;
}

CommandResult World::command(std::vector<std::string> arguments) const {
  arguments.insert(arguments.end(), {"--socket", process_->control_socket()});
  return run_sluice(std::move(arguments));
}

}  // namespace lb::test
