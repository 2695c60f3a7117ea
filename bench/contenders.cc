#include "bench/contenders.h"

#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <sstream>

namespace lb::bench {
namespace {

constexpr const char* kNginxStreamModule = "/usr/lib/nginx/modules/ngx_stream_module.so";
// Descriptors that are not connections.
constexpr uint64_t kSpareFiles = 200;

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(std::string(path == nullptr ? "" : path) + ":/usr/sbin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string candidate = fmt::format("{}/{}", folder, name);
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

std::vector<Contender> sluices(const std::string& program) {
  std::vector<Contender> found;
  for (const std::string engine : {"io_uring", "epoll"}) {
    for (const std::string splice : {"auto", "off"}) {
      Contender contender;
      contender.name = fmt::format("sluice {}{}", engine, splice == "off" ? ", no splice" : "");
      contender.program = program;
      contender.for_streams_only = splice == "off";
      contender.config = sluice_config;
      contender.arguments = {"run", "--config", "CONFIG"};
      contender.engine = engine;
      contender.splice = splice;
      found.push_back(contender);
    }
  }
  return found;
}

std::vector<Contender> haproxies(const std::string& program) {
  Contender copying;
  copying.name = "haproxy";
  copying.role = Role::kPeer;
  copying.program = program;
  copying.config = haproxy_config;
  copying.arguments = {"-db", "-f", "CONFIG"};
  Contender splicing = copying;
  splicing.name = "haproxy splice-auto";
  splicing.splice = "  option splice-auto\n";
  // Splices whatever there is, not only what has been found to stream.
  Contender always = splicing;
  always.name = "haproxy splice";
  always.for_streams_only = true;
  always.splice = "  option splice-request\n  option splice-response\n";
  return {copying, splicing, always};
}

Contender nginx(const std::string& program) {
  Contender contender;
  contender.name = "nginx";
  contender.role = Role::kPeer;
  contender.program = program;
  contender.config = nginx_config;
  contender.arguments = {"-c", "CONFIG"};
  return contender;
}

std::vector<Contender> relays(const std::string& program) {
  std::vector<Contender> found;
  for (const std::string mode : {"epoll", "uring", "splice"}) {
    Contender contender;
    contender.name = "bare relay " + mode;
    contender.role = Role::kFloor;
    contender.program = program;
    contender.for_streams_only = mode == "splice";
    contender.arguments = {"relay", "--listen", "LISTEN", "--to", "BACKENDS", "--by", mode};
    found.push_back(contender);
  }
  return found;
}

}  // namespace

std::string sluice_config(const Contender& contender, const Setting& setting) {
  std::string endpoints;
  for (const net::Address& backend : setting.backends) {
    endpoints += fmt::format("  {{ address = \"{}\", port = {} }},\n", backend.host_string(),
                             backend.port());
  }
  return fmt::format(R"([runtime]
workers = 1
engine = "{}"
splice = "{}"
shutdownTimeout = "1s"

[admin]
socket = ""

[accessLog]
path = "off"

[[gateways]]
name = "bench"
addresses = [{{ value = "{}" }}]
listeners = [{{ name = "tcp", port = {}, protocol = "TCP" }}]

[[tcpRoutes]]
name = "all"
parentRefs = [{{ name = "bench" }}]
rules = [{{ backendRefs = [{{ name = "app", port = 80 }}] }}]

[[services]]
name = "app"
ports = [{{ port = 80 }}]
endpoints = [
{}]
)",
                     contender.engine, contender.splice, setting.listen.host_string(),
                     setting.listen.port(), endpoints);
}

std::string haproxy_config(const Contender& contender, const Setting& setting) {
  // Two descriptors a connection and two a pipe: all are counted when it starts.
  const uint64_t connections = (setting.open_files - kSpareFiles) * 2 / 5;
  const uint64_t pipes = (setting.open_files - kSpareFiles - 2 * connections) / 2;
  std::string servers;
  for (size_t i = 0; i < setting.backends.size(); ++i) {
    servers += fmt::format("  server app{} {}\n", i, setting.backends[i].to_string());
  }
  return fmt::format(R"(global
  nbthread 1
  maxconn {}
  maxpipes {}
defaults
  mode tcp
  maxconn {}
  backlog 4096
  timeout connect 5s
  timeout client 1h
  timeout server 1h
{}frontend in
  bind {}
  default_backend out
backend out
  balance roundrobin
{})",
                     connections, contender.splice.empty() ? 0 : pipes, connections,
                     contender.splice, setting.listen.to_string(), servers);
}

std::string nginx_config(const Contender&, const Setting& setting) {
  std::string servers;
  for (const net::Address& backend : setting.backends) {
    servers += fmt::format("    server {};\n", backend.to_string());
  }
  const bool is_module = access(kNginxStreamModule, R_OK) == 0;
  return fmt::format(R"({}daemon off;
worker_processes 1;
worker_rlimit_nofile {};
pid {}/nginx.pid;
error_log stderr crit;
events {{
  use epoll;
  worker_connections {};
}}
stream {{
  access_log off;
  tcp_nodelay on;
  proxy_buffer_size 64k;
  proxy_half_close on;
  proxy_timeout 1h;
  proxy_connect_timeout 5s;
  upstream app {{
{}  }}
  server {{
    listen {} reuseport backlog=4096;
    proxy_pass app;
  }}
}}
)",
                     is_module ? fmt::format("load_module {};\n", kNginxStreamModule) : "",
                     setting.open_files, setting.folder, setting.open_files - kSpareFiles, servers,
                     setting.listen.to_string());
}

std::vector<Contender> find_contenders(const std::string& sluice_path, const std::string& self,
                                       std::vector<std::string>* missing) {
  std::vector<Contender> found;
  const auto add = [&](const std::string& name, const std::string& program, auto make) {
    if (program.empty() || access(program.c_str(), X_OK) != 0) {
      missing->push_back(name);
      return;
    }
    for (const Contender& contender : make(program)) found.push_back(contender);
  };
  add("sluice", sluice_path, sluices);
  add("haproxy", find_program("haproxy"), haproxies);
  add("nginx", find_program("nginx"),
      [](const std::string& program) { return std::vector<Contender>{nginx(program)}; });
  add("bare relays", self, relays);
  return found;
}

std::string version_of(const Contender& contender) {
  const std::string option = contender.role == Role::kSluice ? "version" : "-v";
  const std::string command = fmt::format("'{}' {} 2>&1", contender.program, option);
  const std::unique_ptr<FILE, int (*)(FILE*)> output(popen(command.c_str(), "r"), pclose);
  std::array<char, 256> line = {};
  if (!output || fgets(line.data(), line.size(), output.get()) == nullptr) return "unknown";
  std::string text = line.data();
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace lb::bench
