// What one worker counts. A block is advanced by its worker and may be read by any thread; blocks
// are made by the control thread, under the names that survive a reload, and never go away.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "lb/proxy/close_reason.h"
#include "lb/util/counter.h"

namespace lb::proxy {

using ReasonCounters = std::array<util::Counter, kCloseReasons>;

struct ListenerStats {
  util::Counter accepted;  // every accept, refused ones too
  util::Counter ended;     // relayed or tried, and over
  ReasonCounters refused;  // right after the accept
};

struct ServiceStats {
  ReasonCounters closes;
  util::Counter bytes_in;   // from clients, relayed to endpoints
  util::Counter bytes_out;  // from endpoints, relayed to clients
  util::Counter retries;    // connect attempts after the first of a connection
};

struct EndpointStats {
  util::Counter connections;        // connects that succeeded
  ReasonCounters connect_failures;  // by what the attempt came to
};

class WorkerStats {
 public:
  using Name = std::pair<std::string, std::string>;

  // The block of that name, made when it is new. Control thread.
  ListenerStats& listener(const std::string& gateway, const std::string& name) {
    return find(listeners_, {gateway, name});
  }
  ServiceStats& service(const std::string& name) { return find(services_, {name, ""}); }
  EndpointStats& endpoint(const std::string& service, const std::string& label) {
    return find(endpoints_, {service, label});
  }

  template <typename Stats>
  using Blocks = std::map<Name, std::unique_ptr<Stats>>;

  const Blocks<ListenerStats>& listeners() const { return listeners_; }
  const Blocks<ServiceStats>& services() const { return services_; }
  const Blocks<EndpointStats>& endpoints() const { return endpoints_; }

 private:
  template <typename Stats>
  static Stats& find(Blocks<Stats>& blocks, const Name& name) {
    std::unique_ptr<Stats>& block = blocks[name];
    if (block == nullptr) block = std::make_unique<Stats>();
    return *block;
  }

  Blocks<ListenerStats> listeners_;
  Blocks<ServiceStats> services_;
  Blocks<EndpointStats> endpoints_;
};

}  // namespace lb::proxy
