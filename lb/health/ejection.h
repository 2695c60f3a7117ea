// Passive ejection: endpoints that connections cannot be made to get none for a while. Workers
// count failures (Endpoint::count_connect_failure); what follows is decided here, and no clock is
// read: a caller says what time it is. Control thread.
//
// The rules, after Envoy's outlier detection:
// - The n-th ejection in a row lasts n times baseEjectionTime, at most maxEjectionTime. For every
//   baseEjectionTime that an endpoint is then spared, the row is one shorter.
// - Of the endpoints that an operator and the file want to take connections, at most
//   maxEjectionPercent are ejected, rounded down; one may always be, unless the percentage is 0.
// - Of those that are healthy besides, never all: the last one stays, however often it fails. Who
//   was ejected first comes back early when a change leaves no other.
// - An ejection ends when its time is over, or when an active check succeeds (HealthBoard).
// - Both bounds hold for each list of endpoints: the ports of a service are lists of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "lb/balance/load_balancer.h"
#include "lb/config/service.h"
#include "lb/health/health_board.h"
#include "lb/util/clock.h"

namespace lb::health {

// How long the `in_row`-th ejection in a row lasts; `in_row` > 0.
int64_t ejection_ms(const config::PassiveCheck& policy, uint32_t in_row);

class Ejections {
 public:
  using EndpointPtr = HealthBoard::EndpointPtr;

  // A service as seen through one of its ports.
  struct Group {
    config::PassiveCheck policy;
    std::vector<balance::WeightedEndpoint> endpoints;
  };

  enum class Outcome {
    kEjected,
    kNotAsked,  // ejected already, unknown by now, or ejection is off
    kTooMany,   // others are ejected, or no other is left
  };

  // `board` must outlive it.
  explicit Ejections(HealthBoard& board);
  Ejections(const Ejections&) = delete;
  Ejections& operator=(const Ejections&) = delete;

  // The endpoints from now on. Those that leave keep what is known of them until it is outdated, in
  // case they come back.
  void follow(std::vector<Group> groups, util::MonoTimeMs now_ms);

  // Connects to it have failed as often in a row as its policy wants.
  Outcome note_failing(const EndpointPtr& endpoint, util::MonoTimeMs now_ms);

  // Ends the ejections whose time is over.
  void readmit_due(util::MonoTimeMs now_ms);
  // When the next one is; util::kNever when nothing is ejected.
  util::MonoTimeMs next_ms() const;

 private:
  // Of an endpoint that is ejected, or was not long ago.
  struct Row {
    EndpointPtr endpoint;
    uint32_t length = 0;  // ejections in a row
    bool is_ejected = false;
    util::MonoTimeMs since_ms = 0;  // of that
    util::MonoTimeMs until_ms = 0;  // of an ejection
  };

  // What is left of a row after so long without an ejection.
  static uint32_t shortened(const Row& row, int64_t base_ms, util::MonoTimeMs now_ms);
  const config::PassiveCheck* policy_of(const balance::Endpoint& endpoint) const;
  bool has_room_for(const balance::Endpoint& endpoint) const;
  void follow_policy(Row& row) const;
  void on_change(const HealthChange& change);
  // Readmits those who are ejected beyond the bounds, or without a policy by now.
  void keep_bounds(const Group& group, util::MonoTimeMs now_ms);
  EndpointPtr first_ejected(const Group& group) const;
  void forget_outdated(util::MonoTimeMs now_ms);

  HealthBoard& board_;
  std::vector<Group> groups_;
  absl::flat_hash_map<const balance::Endpoint*, absl::InlinedVector<uint32_t, 2>> groups_of_;
  absl::flat_hash_map<const balance::Endpoint*, Row> rows_;
};

}  // namespace lb::health
