// What the API would write into the status of every object: conditions with its reasons, made from
// a configuration, its attachment, and what came of binding the listeners.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lb/config/attach/attach.h"
#include "lb/config/model.h"
#include "lb/config/status/reason.h"

namespace lb::config {

enum class ConditionType : uint8_t {
  kAccepted,
  kProgrammed,
  kResolvedRefs,
  kConflicted,
  kBackendsAvailable,  // ours, on routes: the API has no word for a service without endpoints
};
enum class ConditionStatus : uint8_t { kTrue, kFalse, kUnknown };

struct Condition {
  ConditionType type = ConditionType::kAccepted;
  ConditionStatus status = ConditionStatus::kUnknown;
  Reason reason = Reason::kNone;
  std::string message;  // a sentence that names the objects and says what to do
  uint64_t observed_generation = 0;
  int64_t last_transition_ms = 0;  // since the epoch: when `status` became what it is

  // Whether all is well: of Conflicted that is False.
  bool is_good() const {
    return status ==
           (type == ConditionType::kConflicted ? ConditionStatus::kFalse : ConditionStatus::kTrue);
  }
};

struct ListenerStatus {
  std::string name;
  size_t attached_routes = 0;
  std::vector<RouteKind> supported_kinds;
  std::vector<Condition> conditions;  // Accepted, Programmed, ResolvedRefs, Conflicted
};

struct GatewayStatus {
  ObjectName name;
  std::vector<std::string> addresses;  // IPs that a listener is bound to
  std::vector<ListenerStatus> listeners;
  std::vector<Condition> conditions;  // Accepted, Programmed
};

struct ParentStatus {
  ParentRef ref;
  std::vector<Condition> conditions;  // Accepted, ResolvedRefs, BackendsAvailable
};

struct RouteStatus {
  ObjectName name;
  std::vector<ParentStatus> parents;
};

// In the order of the configuration.
struct Status {
  uint64_t generation = 0;
  std::vector<GatewayStatus> gateways;
  std::vector<RouteStatus> tcp_routes;
  std::vector<RouteStatus> tls_routes;
};

// That a listener was, or could not be, bound to one address.
struct BindOutcome {
  ListenerIndex listener;
  std::string address;  // an IP without its port
  int error = 0;        // errno; 0 = bound
};

// What a failed outcome is as a fault: a warning where the file says the address or, when it is
// about the port, the listener. Needs locate().
Fault bind_fault(const Config& config, const BindOutcome& outcome);

struct StatusInput {
  const Config& config;
  const Attachment& attachment;
  const std::vector<BindOutcome>* bound = nullptr;  // null = nobody has tried
  uint64_t generation = 0;
  int64_t now_ms = 0;                // since the epoch
  const Status* previous = nullptr;  // where the times of what has not changed come from
};

// Pure. Linear in the size of the configuration.
Status make_status(const StatusInput& input);

std::string_view to_string(ConditionType type);      // "Accepted"
std::string_view to_string(ConditionStatus status);  // "True"

}  // namespace lb::config
