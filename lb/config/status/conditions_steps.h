// The steps of make_status(), for its own files.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "lb/config/status/conditions.h"

namespace lb::config {

void add_gateway_status(const StatusInput& input, Status& out);
void add_route_status(const StatusInput& input, Status& out);

// Gives every condition whose status is as it was in `previous` the time it had there.
void carry_times(const Status& previous, Status& out);

// Adds conditions of one object; time and generation are stamped later.
class ConditionList {
 public:
  explicit ConditionList(std::vector<Condition>& out) : out_(out) {}

  void add(ConditionType type, ConditionStatus status, Reason reason, std::string message) {
    out_.push_back({type, status, reason, std::move(message), 0, 0});
  }
  void good(ConditionType type, Reason reason, std::string message) {
    add(type, ConditionStatus::kTrue, reason, std::move(message));
  }
  void bad(ConditionType type, Reason reason, std::string message) {
    add(type, ConditionStatus::kFalse, reason, std::move(message));
  }

 private:
  std::vector<Condition>& out_;
};

// "\"a\", \"b\" and 3 more": a message stays readable however many there are.
std::string join_names(const std::vector<std::string>& names);

}  // namespace lb::config
