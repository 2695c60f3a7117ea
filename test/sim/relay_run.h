// One simulated life of a worker: a few clients, their servers, the product's connections between
// them, and a check of everything that must hold afterwards. All of it follows from the seed.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lb/event/engine.h"
#include "lb/proxy/connection_table.h"
#include "lb/proxy/tls_facts.h"
#include "lb/util/log_sink.h"
#include "lb/util/random.h"
#include "test/sim/relay_script.h"
#include "test/sim/sim_engine.h"
#include "test/sim/sim_network.h"
#include "test/support/access_record.h"

namespace lb::sim {

// How an endpoint answers a connect.
enum class EndpointKind { kAccepting, kRefusing, kUnreachable, kSlow, kSilent };

// What one client and its service are to do.
struct ConnectionPlan {
  util::MonoTimeMs arrives_ms = 0;
  ScriptPlan client;
  ScriptPlan server;
  // What its server is to be told of it, and whether that may be left out: nothing of the kind is
  // said, or perhaps not in time.
  proxy::TLSFacts tls = {};
  bool may_miss_tls = false;
  std::vector<EndpointKind> endpoints;
  config::ListenerPolicy listener;
  config::ServicePolicy service;
};

struct RunPlan {
  SimOptions sim;
  event::EngineOptions engine;
  config::SpliceMode splice = config::SpliceMode::kAuto;
  std::vector<ConnectionPlan> connections;
  util::MonoTimeMs kill_ms = util::kNever;  // when all are killed
  // Connections that all of them together may have, as those of one service; 0 = no bound.
  uint32_t service_bound = 0;
  // When the first endpoint of each goes down, over which time its connections are closed, and when
  // it comes back.
  util::MonoTimeMs down_ms = util::kNever;
  int64_t spread_ms = 0;
  util::MonoTimeMs back_ms = util::kNever;
  // Nothing in the run but well-behaved ends: then the outcome is known exactly.
  bool is_benign = false;

  static RunPlan make(uint64_t seed);
};

class RelayRun {
 public:
  explicit RelayRun(const RunPlan& plan);
  ~RelayRun();

  // Everything that was not as it should be.
  std::vector<std::string> run();

  // The record of the first connection, of a run with one.
  const test::AccessRecord& record() const { return record(0); }
  const test::AccessRecord& record(size_t connection) const { return *parties_[connection].record; }
  // Its server has got all that it must get first.
  bool has_preamble(size_t connection) const {
    return !parties_[connection].servers.empty() &&
           parties_[connection].servers.back().has_preamble();
  }
  // When that client was accepted, and how long it then took to connect.
  util::MonoTimeMs connected_ms(size_t connection) const {
    return parties_[connection].accepted_ms + record(connection).number("connect_ms");
  }
  // For statistics: how the connections ended.
  std::vector<std::string> close_words() const;
  // The same, of how their bytes went: asked for, and gone through a pipe.
  const SimEngine::ModeCounts& modes() const { return engine_.modes(); }
  uint64_t spliced_bytes() const { return stats_.relay().spliced_bytes.value(); }
  config::SpliceMode splice_mode() const { return plan_.splice; }
  // All that happened, in short; the same for the same seed.
  std::string summary() const;

 private:
  // One client, and the server that it got to, if any.
  struct Party {
    const ConnectionPlan* plan = nullptr;
    size_t index = 0;
    util::MonoTimeMs accepted_ms = 0;
    uint64_t id = 0;  // of its connection
    std::unique_ptr<Script> client;
    std::deque<Script> servers;  // of every connection that was established; the last one counts
    std::optional<test::AccessRecord> record;

    Script* server() { return servers.empty() ? nullptr : &servers.back(); }
  };

  std::shared_ptr<const proxy::Snapshot> make_snapshot(const RunPlan& plan);
  static net::Address address_of(size_t party, size_t endpoint);
  // What its server may get first.
  static std::vector<std::string> preambles_of(const Party& party);
  void add_server(Party& party, size_t endpoint, EndpointKind kind);
  void arrive(Party& party);
  void kill_at(util::MonoTimeMs at_ms);
  void put_down_at(util::MonoTimeMs at_ms);
  void bring_back_at(util::MonoTimeMs at_ms);
  void turn_until_empty();
  [[noreturn]] void give_up();
  void drain_scripts();
  void read_log();

  void fail(const std::string& what) { failures_.push_back(what); }
  void check_left_overs();
  void check_modes();
  void check(Party& party);
  void check_stream(Party& party, Script& from, Script& to, const char* name);
  bool may_expect_flush(Party& party, const Script& from, const Script& to) const;
  void check_reason(Party& party);
  void check_put_down(Party& party);
  void check_notice(Party& party, const Script& from);
  void check_benign(Party& party);
  static uint64_t seed_of(const Party& party, bool upstream) {
    return party.index * 2 + (upstream ? 1 : 0);
  }

  RunPlan plan_;
  std::vector<std::string> failures_;
  SimNetwork network_;
  SimEngine engine_;
  int log_fd_;
  std::unique_ptr<util::LogSink> sink_;
  proxy::AccessLog log_;
  const std::shared_ptr<balance::ServiceState> state_;  // of all services: one bound, one queue
  std::shared_ptr<const proxy::Snapshot> snapshot_;
  proxy::WorkerStats stats_;
  std::shared_ptr<proxy::Router> router_;
  proxy::WorkerLoads loads_{1};
  proxy::ConnectionBudget budget_;
  proxy::HandOver hand_over_;
  proxy::ConnectionTable table_;
  std::deque<Party> parties_;
  size_t arrived_ = 0;
  bool was_killed_ = false;
  bool was_put_down_ = false;
  bool is_stuck_ = false;
};

}  // namespace lb::sim
