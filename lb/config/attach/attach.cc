#include "lb/config/attach/attach.h"

#include <fmt/format.h>

#include <utility>

#include "lb/config/attach/attach_steps.h"

namespace lb::config {

void add_finding(Attachment& out, FaultCode code, Reason reason, SourcePosition where,
                 std::string message, std::string_view suggestion) {
  Fault fault;
  fault.code = code;
  fault.severity = Severity::kWarning;
  fault.reason = reason;
  fault.where = where;
  fault.message = std::move(message);
  fault.suggestion = suggestion;
  out.findings.push_back(std::move(fault));
}

std::string describe(const Config& config, ListenerIndex index) {
  const Gateway& gateway = config.gateways[index.gateway];
  return fmt::format("listener \"{}\" of gateway \"{}\"", gateway.listeners[index.listener].name,
                     to_string(gateway.name));
}

Attachment attach(const Config& config) {
  Attachment out;
  attach_gateways(config, out);
  attach_routes(config, out);
  resolve_backends(config, out);
  add_advice(config, out);
  return out;
}

}  // namespace lb::config
