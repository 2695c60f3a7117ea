// Where health checks come from: a server may let in whom a service's `source` says, and nobody
// else. Each in a network of its own.
#include <signal.h>

#include <chrono>
#include <mutex>
#include <set>
#include <string>

#include "test/support/admin_client.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/network_namespace.h"
#include "test/support/port_allocator.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

using namespace std::chrono_literals;

// A server that remembers where connections to it came from.
class Visited {
 public:
  const net::Address& address() const { return backend_.address(); }
  std::set<std::string> from() const {
    const std::lock_guard lock(mutex_);
    return from_;
  }
  bool wait_from(const std::set<std::string>& wanted) const {
    return eventually([&] { return from() == wanted; }, 20s);
  }

 private:
  void note(const std::string& host) {
    const std::lock_guard lock(mutex_);
    from_.insert(host);
  }

  mutable std::mutex mutex_;  // guards from_
  std::set<std::string> from_;
  TcpBackend backend_{[this](Socket& socket) {
    note(socket.peer_address().host_string());
    socket.send("+");
    hold(socket);
  }};
};

// A check that does not go before the server has seen it.
std::string checked(const std::string& source) {
  return "healthCheck.active = { type = \"TCP\", interval = \"100ms\", timeout = \"500ms\", "
         "tcp = { receive = [\"+\"] } }\n"
         "source = { " +
         source + " }";
}

// Checks come and go, so that there is no number of descriptors to come back to.
void end(SluiceProcess& process) {
  process.send_signal(SIGTERM);
  CHECK(process.wait_exit() == 0);
}

}  // namespace

TEST_CASE("each service's checks come from where its connections do, also of a shared server") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto space = NetworkNamespace::enter();
  if (space == nullptr) return;
  Visited server;
  ConfigText config;
  const auto service = [&](const std::string& name, const std::string& source) {
    config.service(name, {server.address()}, checked(source));
  };
  service("web", "addresses = [\"fd00::5\", \"127.0.0.11\"]");
  service("other", "addresses = [\"127.0.0.12\"]");
  service("late", "addresses = [\"192.0.2.77\", \"127.0.0.13\"]");
  service("clients", "transparent = true");  // of which a check has none
  config.listener("main", allocate_port())
      .route(
          "main",
          {{.service = "web"}, {.service = "other"}, {.service = "late"}, {.service = "clients"}});
  SluiceProcess process(config.str(), engine);
  CHECK(server.wait_from({"127.0.0.1", "127.0.0.11", "127.0.0.12", "127.0.0.13"}));
  // It comes later, as it may for connections.
  space->ip("address add 192.0.2.77/32 dev lo");
  CHECK(server.wait_from({"127.0.0.1", "127.0.0.11", "127.0.0.12", "127.0.0.13", "192.0.2.77"}));
  end(process);
}

TEST_CASE("checks leave by the interface that connections leave by, or not at all") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto space = NetworkNamespace::enter();
  if (space == nullptr) return;
  space->ip("link add there type veth peer name elsewhere");
  space->ip("link set there up");
  const auto interface = GENERATE(as<std::string>(), "lo", "there", "nosuch");
  INFO(engine << ", " << interface);
  Visited server;
  SluiceProcess process(one_service(allocate_port(), {server.address()}, "",
                                    checked("interface = \"" + interface + "\""))
                            .str(),
                        engine);
  const auto results = [&](const std::string& result) {
    return metrics_of(process).at("sluice_health_checks_total{service=\"web\",endpoint=\"" +
                                  server.address().to_string() + "\",result=\"" + result + "\"}");
  };
  const auto ended = [&] {
    return results("success") + results("failure") + results("timeout") + results("none");
  };
  CHECK(eventually([&] { return ended() >= 3; }, 20s));
  CHECK((results("success") > 0) == (interface == "lo"));
  // That this host has no such interface says nothing of the server.
  CHECK((results("none") > 0) == (interface == "nosuch"));
  end(process);
}

}  // namespace lb::test
