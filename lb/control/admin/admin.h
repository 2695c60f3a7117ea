// The process's own pages: the control socket, which commands talk to, and the read-only address
// for probes and scrapers. Knows the paths and their JSON; what stands behind them is the hooks'.
// Control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lb/config/runtime.h"
#include "lb/control/admin/admin_socket.h"
#include "lb/control/admin/diff.h"
#include "lb/control/admin/http_server.h"
#include "lb/control/admin/lookup.h"
#include "lb/control/overrides.h"
#include "lb/event/engine.h"
#include "lb/util/log.h"

namespace lb::control {

struct ReloadOutcome {
  bool applied = false;
  uint64_t generation = 0;          // that is served now, either way
  std::string error;                // in one line; empty when it was applied
  std::vector<std::string> faults;  // as `check` prints them
};

// What the pages ask for. All must be set, and be callable as long as the Admin lives.
struct AdminHooks {
  std::function<nlohmann::json()> status;
  std::function<std::string()> metrics;
  // Calls back once it is decided, perhaps much later.
  std::function<void(std::function<void(const ReloadOutcome&)>)> reload;
  // What going over to the file at that path would change.
  std::function<absl::StatusOr<Diff>(const std::string& path)> diff;
  // Carries it out, and says what is overridden then, "" for nothing.
  std::function<absl::StatusOr<std::string>(const EndpointWish& wish)> change_endpoint;
  // Where a client of `address` goes in a service (lookup.h).
  std::function<absl::StatusOr<std::vector<LookupAnswer>>(const std::string& service,
                                                          const std::string& address)>
      lookup;
  // Why the process should get no traffic; empty when it should.
  std::function<std::string()> not_ready;
  // Begins the drain sequence; a second call changes nothing.
  std::function<void()> drain;
};

class Admin {
 public:
  // `engine` and `log` must outlive it.
  Admin(event::Engine& engine, util::Log& log, AdminHooks hooks);

  // Opens what the configuration says. What cannot be had is logged and left out: traffic is served
  // all the same.
  void open(const config::Admin& config);

 private:
  using Request = HttpRequest;
  using Respond = HttpServer::Respond;

  struct Page {
    std::string_view method;
    std::string_view path;
    bool is_public;  // on the address, too
    void (Admin::*serve)(const Request&, const Respond&);
  };
  static const std::vector<Page>& pages();

  void open_socket(const std::string& path);
  void open_address(const net::Address& address);
  void handle(bool is_public, const Request& request, const Respond& respond);

  void serve_status(const Request& request, const Respond& respond);
  void serve_metrics(const Request& request, const Respond& respond);
  void serve_ready(const Request& request, const Respond& respond);
  void serve_live(const Request& request, const Respond& respond);
  void serve_front(const Request& request, const Respond& respond);
  void serve_reload(const Request& request, const Respond& respond);
  void serve_diff(const Request& request, const Respond& respond);
  void serve_endpoint(const Request& request, const Respond& respond);
  void serve_lookup(const Request& request, const Respond& respond);
  void serve_drain(const Request& request, const Respond& respond);

  event::Engine& engine_;
  util::Log& log_;
  const AdminHooks hooks_;
  std::unique_ptr<AdminSocket> socket_;  // outlives its server
  std::unique_ptr<HttpServer> control_server_;
  std::unique_ptr<HttpServer> public_server_;
};

}  // namespace lb::control
