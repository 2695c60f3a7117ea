// What operators have said of endpoints at run time (`sluice endpoint`), by service and address: it
// is kept when the configuration is loaded anew and while an endpoint is gone from it, and dropped
// when the file says the same; "down", which no file says, when the operator says otherwise. Gone
// at a restart. Control thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "lb/balance/endpoint.h"
#include "lb/control/listed_endpoints.h"
#include "lb/health/health_board.h"
#include "lb/util/clock.h"
#include "lb/util/log.h"

namespace lb::control {

enum class EndpointAction { kDrain, kReady, kDown, kWeight };

inline constexpr std::pair<std::string_view, EndpointAction> kEndpointActions[] = {
    {"drain", EndpointAction::kDrain},
    {"ready", EndpointAction::kReady},
    {"down", EndpointAction::kDown},
    {"weight", EndpointAction::kWeight}};

std::optional<EndpointAction> parse_endpoint_action(std::string_view word);

// A run-time change as it was asked for.
struct EndpointWish {
  std::string service;
  std::string address;
  EndpointAction action = EndpointAction::kReady;
  uint32_t weight = 0;  // of kWeight
};

// "drain", "weight=5", "drain, weight=5"; "" when nothing is overridden.
std::string override_text(balance::AdminState state, std::optional<uint32_t> weight);
std::string override_text(const balance::Endpoint& endpoint);

class Overrides {
 public:
  // Beyond this an override of an endpoint that is gone makes room, or the new one is refused.
  static constexpr size_t kMax = 4096;

  // Both must outlive it.
  Overrides(health::HealthBoard& board, util::Log& log) : board_(board), log_(log) {}
  Overrides(const Overrides&) = delete;
  Overrides& operator=(const Overrides&) = delete;

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }

  // Carries out `action`. Nothing is kept of what the file says anyway. kReady ends what kDrain and
  // kDown have begun, and an ejection.
  absl::Status change(const ListedEndpoint& endpoint, EndpointAction action, uint32_t weight,
                      util::MonoTimeMs now_ms);

  // The workers get these next: those that have an override have it before that. None is dropped,
  // for what is served is still the file of before.
  void prepare(const std::vector<ListedEndpoint>& endpoints, util::MonoTimeMs now_ms);
  // These are the endpoints from now on: those that have an override get it, unless the file has
  // caught up.
  void follow(const std::vector<ListedEndpoint>& endpoints, util::MonoTimeMs now_ms);

 private:
  using Name = std::pair<std::string, std::string>;  // service and label

  struct Entry {
    balance::AdminState state = balance::AdminState::kNone;
    std::optional<uint32_t> weight;
    bool is_absent = false;

    bool empty() const { return state == balance::AdminState::kNone && !weight; }
  };

  // False when there is none for one more.
  bool make_room();
  void apply(const ListedEndpoint& endpoint, const Entry& entry, util::MonoTimeMs now_ms,
             std::string_view why);

  health::HealthBoard& board_;
  util::Log& log_;
  std::map<Name, Entry> entries_;
};

}  // namespace lb::control
