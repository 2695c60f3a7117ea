// The world of a conformance test: manifests go through `sluice convert` into the real binary, run
// at two workers, and echo servers stand where the manifests' EndpointSlices say.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lb/net/address.h"
#include "test/conformance/status_view.h"
#include "test/support/sluice_process.h"
#include "test/support/tcp_backend.h"
#include "test/support/temp_dir.h"

namespace lb::test {

// A file of SLUICE_MANIFESTS.
std::string read_manifests(const std::string& name);
// The manifests without the one that has `text` in it. Throws when it is not exactly one.
std::string without_manifest(const std::string& manifests, const std::string& text);

class World {
 public:
  // An echo server for each name, at port 3000 of 127.0.0.11, 127.0.0.12 and so on.
  explicit World(const std::string& engine, const std::vector<std::string>& servers = {});

  // Makes the manifests what is served: at first by a start, then by a reload. Every port in them
  // stands for one that is free here, the same for the same number.
  void apply(const std::string& manifests);
  // What `sluice status --json` says.
  StatusView status() const;

  // Where that port of the manifests is: on 127.0.0.1, as most listeners, or on `ip`.
  net::Address at(uint16_t port, const std::string& ip = "127.0.0.1");
  // Which server a new connection to that port reaches; throws when it is refused.
  std::string reached_by(uint16_t port);
  // Throws unless a connection to that port is answered by a RST.
  void expect_refused_by(uint16_t port);

  // SIGTERM; throws unless all connections are gone then and the exit code is 0.
  void stop();

 private:
  uint16_t real_port(uint16_t port);
  std::string with_real_ports(const std::string& manifests);
  CommandResult command(std::vector<std::string> arguments) const;

  std::string engine_;
  TempDir dir_;
  std::map<uint16_t, uint16_t> ports_;  // by the number in the manifests
  std::vector<std::unique_ptr<TcpBackend>> servers_;
  std::unique_ptr<SluiceProcess> process_;
};

}  // namespace lb::test
