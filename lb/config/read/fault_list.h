// Where the faults of one load are gathered; bounded, so that garbage does not become a report of
// its own size.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lb/config/fault.h"

namespace lb::config {

inline constexpr size_t kMaxFaults = 1000;

class FaultList {
 public:
  // An error (class A). The `suggestion` may be empty. Beyond kMaxFaults the fault is counted and
  // dropped.
  void error(FaultCode code, SourcePosition where, std::string message,
             std::string_view suggestion = {}) {
    ++errors_;
    add(Severity::kError, code, where, std::move(message), suggestion);
  }

  void warning(FaultCode code, SourcePosition where, std::string message) {
    add(Severity::kWarning, code, where, std::move(message), {});
  }

  size_t errors() const { return errors_; }
  size_t dropped() const { return dropped_; }
  size_t total() const { return faults_.size() + dropped_; }
  std::vector<Fault> take() && { return std::move(faults_); }

 private:
  void add(Severity severity, FaultCode code, SourcePosition where, std::string message,
           std::string_view suggestion) {
    if (faults_.size() == kMaxFaults) {
      ++dropped_;
      return;
    }
    Fault fault;
    fault.code = code;
    fault.severity = severity;
    fault.where = where;
    fault.message = std::move(message);
    fault.suggestion = suggestion;
    faults_.push_back(std::move(fault));
  }

  std::vector<Fault> faults_;
  size_t errors_ = 0;
  size_t dropped_ = 0;
};

}  // namespace lb::config
