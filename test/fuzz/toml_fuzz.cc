// Any bytes as a configuration: no crash, no endless loop; a configuration exactly when there are
// no errors, faults that point into the text and print as text, and for what loads an attachment
// and conditions that fit it, the same each time, and a snapshot.
#include <string>
#include <string_view>
#include <vector>

#include "lb/config/attach/attach.h"
#include "lb/config/load.h"
#include "lb/config/status/conditions.h"
#include "lb/proxy/snapshot.h"
#include "test/fuzz/fuzz_target.h"

namespace lb::fuzz {
namespace {

void check_fault(const config::Fault& fault) {
  require(!fault.message.empty(), "a fault says what it is");
  require(fault.where.line == 0 || fault.where.column > 0, "a line has a column");
  for (const char c : config::format(fault)) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_text = (byte >= 0x20 && byte != 0x7F) || c == '\n' || c == '\t';
    require(is_text, "faults print as text");
  }
}

void check_conditions(const std::vector<config::Condition>& conditions, size_t count) {
  require(conditions.size() == count, "every condition is there");
  for (const config::Condition& condition : conditions) {
    require(condition.reason != config::Reason::kNone, "a condition has a reason");
    require(!condition.message.empty(), "a condition has a message");
    require(condition.observed_generation == 1, "a condition has its generation");
  }
}

void check_routes(const std::vector<config::RouteStatus>& routes,
                  const std::vector<config::AttachedRoute>& attached) {
  require(routes.size() == attached.size(), "every route has a status");
  for (size_t r = 0; r < routes.size(); ++r) {
    require(routes[r].parents.size() == attached[r].parents.size(), "every parent has a status");
    for (const config::ParentStatus& parent : routes[r].parents) {
      check_conditions(parent.conditions, 3);
    }
  }
}

// Some bound, some not, for one reason or another.
std::vector<config::BindOutcome> outcomes_for(const config::Config& config,
                                              const config::Attachment& attachment) {
  constexpr int kErrors[] = {0, 98, 99, 13, 24};  // none, in use, no such address, denied, too many
  std::vector<config::BindOutcome> outcomes;
  for (size_t g = 0; g < config.gateways.size(); ++g) {
    for (size_t l = 0; l < config.gateways[g].listeners.size(); ++l) {
      if (!attachment.gateways[g].serves(l)) continue;
      for (const std::string& address : attachment.gateways[g].addresses) {
        outcomes.push_back({{g, l}, address, kErrors[outcomes.size() % 5]});
      }
    }
  }
  return outcomes;
}

void check_status(const config::Config& config, const config::Attachment& attachment) {
  const std::vector<config::BindOutcome> bound = outcomes_for(config, attachment);
  const config::Status status = config::make_status({config, attachment, &bound, 1, 1000});
  require(status.gateways.size() == config.gateways.size(), "every gateway has a status");
  for (size_t g = 0; g < status.gateways.size(); ++g) {
    const config::GatewayStatus& gateway = status.gateways[g];
    check_conditions(gateway.conditions, 2);
    require(gateway.listeners.size() == config.gateways[g].listeners.size(), "and each listener");
    for (const config::ListenerStatus& listener : gateway.listeners) {
      check_conditions(listener.conditions, 4);
    }
  }
  check_routes(status.tcp_routes, attachment.tcp_routes);
  check_routes(status.tls_routes, attachment.tls_routes);
  const config::Status again = config::make_status({config, attachment, &bound, 1, 2000, &status});
  for (const config::GatewayStatus& gateway : again.gateways) {
    for (const config::Condition& condition : gateway.conditions) {
      require(condition.last_transition_ms == 1000, "times stay while nothing changes");
    }
  }
}

}  // namespace

void fuzz_one(const uint8_t* data, size_t size_bytes) {
  const std::string_view text(reinterpret_cast<const char*>(data), size_bytes);
  const config::LoadResult loaded = config::load_text(text, "f.toml");
  bool has_error = false;
  for (const config::Fault& fault : loaded.faults) {
    has_error = has_error || fault.severity == config::Severity::kError;
    check_fault(fault);
  }
  require(loaded.config.has_value() != has_error, "a configuration, or errors");
  if (!loaded.config) return;
  config::Attachment attachment = config::attach(*loaded.config);
  locate(attachment.findings, loaded.sources);
  for (const config::Fault& finding : attachment.findings) {
    require(finding.severity == config::Severity::kWarning, "findings are warnings");
    check_fault(finding);
  }
  check_status(*loaded.config, attachment);
  balance::EndpointRegistry registry;
  require(proxy::compile(*loaded.config, attachment, registry).ok(), "what loads compiles");
}

}  // namespace lb::fuzz
