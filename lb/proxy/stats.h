// What one worker counts. A block is advanced by its worker and may be read by any thread; blocks
// are made by the control thread, under names that survive a reload, and live while a router, and
// so a configuration or a connection, counts on them. Each block is on cache lines of its own: the
// control thread makes those of all workers side by side.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "lb/proxy/close_reason.h"
#include "lb/proxy/side.h"
#include "lb/util/cache_line.h"
#include "lb/util/counter.h"

namespace lb::proxy {

using ReasonCounters = std::array<util::Counter, kCloseReasons>;

struct alignas(util::kCacheLineBytes) ListenerStats {
  util::Counter accepted;  // every accept, refused ones too
  util::Counter ended;     // relayed or tried, and over
  ReasonCounters refused;  // right after the accept
};

struct alignas(util::kCacheLineBytes) ServiceStats {
  ReasonCounters closes;
  std::array<util::Counter, kSides> bytes;  // relayed, by the side that they came from
  util::Counter retries;                    // connect attempts after the first of a connection
  util::Counter no_source;                  // connect attempts that no source was left for
};

// By service and address of its `source`.
struct alignas(util::kCacheLineBytes) SourceStats {
  util::Counter opened;  // connections from there, from their connect on
  util::Counter closed;
};

struct alignas(util::kCacheLineBytes) RelayStats {
  util::Counter spliced_bytes;  // of all services
};

// What an attempt to connect can come to.
inline constexpr std::array kConnectFailures = {
    CloseReason::kConnectRefused, CloseReason::kConnectTimeout, CloseReason::kConnectFailed};

struct alignas(util::kCacheLineBytes) EndpointStats {
  util::Counter connections;  // connects that succeeded
  // `reason` is one of kConnectFailures.
  util::Counter& failure(CloseReason reason) {
    const auto found = std::find(kConnectFailures.begin(), kConnectFailures.end(), reason);
    return failures[static_cast<size_t>(found - kConnectFailures.begin())];
  }
  std::array<util::Counter, kConnectFailures.size()> failures;  // as kConnectFailures
};

class WorkerStats {
 public:
  using Name = std::pair<std::string, std::string>;

  template <typename Stats>
  using Blocks = std::map<Name, std::shared_ptr<Stats>>;

  // The block of that name, made when it is new. Control thread, as everything here.
  std::shared_ptr<ListenerStats> listener(const std::string& gateway, const std::string& name) {
    return find(listeners_, {gateway, name});
  }
  std::shared_ptr<ServiceStats> service(const std::string& name) {
    return find(services_, {name, ""});
  }
  std::shared_ptr<EndpointStats> endpoint(const std::string& service, const std::string& label) {
    return find(endpoints_, {service, label});
  }

  std::shared_ptr<SourceStats> source(const std::string& service, const std::string& address) {
    return find(sources_, {service, address});
  }

  RelayStats& relay() { return relay_; }
  const RelayStats& relay() const { return relay_; }

  // Drops the blocks that nobody counts on any more.
  void forget_unused() {
    forget_unused(listeners_);
    forget_unused(services_);
    forget_unused(endpoints_);
    forget_unused(sources_);
  }

  const Blocks<ListenerStats>& listeners() const { return listeners_; }
  const Blocks<ServiceStats>& services() const { return services_; }
  const Blocks<EndpointStats>& endpoints() const { return endpoints_; }
  const Blocks<SourceStats>& sources() const { return sources_; }

 private:
  template <typename Stats>
  static std::shared_ptr<Stats> find(Blocks<Stats>& blocks, const Name& name) {
    std::shared_ptr<Stats>& block = blocks[name];
    if (block == nullptr) block = std::make_shared<Stats>();
    return block;
  }

  template <typename Stats>
  static void forget_unused(Blocks<Stats>& blocks) {
    std::erase_if(blocks, [](const auto& entry) { return entry.second.use_count() == 1; });
  }

  RelayStats relay_;
  Blocks<ListenerStats> listeners_;
  Blocks<ServiceStats> services_;
  Blocks<EndpointStats> endpoints_;
  Blocks<SourceStats> sources_;
};

}  // namespace lb::proxy
