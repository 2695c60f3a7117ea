// The status of gateways and their listeners.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lb/config/attach/attach_steps.h"
#include "lb/config/ip_text.h"
#include "lb/config/status/conditions_steps.h"

namespace lb::config {
namespace {

// Of one listener, or of a gateway's listeners together.
struct Bindings {
  std::vector<std::string> bound;     // addresses
  std::vector<std::string> unusable;  // addresses that are not of this host
  std::string port_why;               // why ports cannot be had, a sentence for each address

  bool tried() const { return !bound.empty() || !unusable.empty() || !port_why.empty(); }
};

void add_once(std::vector<std::string>& list, const std::string& value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

bool is_about_address(int error) { return error == EADDRNOTAVAIL || error == EAFNOSUPPORT; }

std::string explain_port(const Listener& listener, const BindOutcome& outcome) {
  const std::string what = fmt::format("port {} of {}", listener.port, outcome.address);
  switch (outcome.error) {
    case EADDRINUSE:
      return what + " is in use by another process: stop it, or choose another port";
    case EACCES:
    case EPERM:
      return what + " is not permitted: ports below 1024 need CAP_NET_BIND_SERVICE";
    default:
      return fmt::format("{} cannot be listened on: {}", what, std::strerror(outcome.error));
  }
}

SourcePosition place_of_address(const Gateway& gateway, const std::string& address) {
  for (const GatewayAddress& entry : gateway.addresses) {
    if (canonical_ip(entry.value) == address) return entry.where;
  }
  return gateway.where;
}

class GatewayWriter {
 public:
  GatewayWriter(const StatusInput& input, size_t index)
      : gateway_(input.config.gateways[index]),
        attached_(input.attachment.gateways[index]),
        bindings_(gateway_.listeners.size()) {}

  void note(const BindOutcome& outcome) {
    const size_t l = outcome.listener.listener;
    for (Bindings* bindings : {&bindings_[l], &all_}) {
      if (outcome.error == 0) {
        add_once(bindings->bound, outcome.address);
      } else if (is_about_address(outcome.error)) {
        add_once(bindings->unusable, outcome.address);
      } else {
        append_why(bindings->port_why, explain_port(gateway_.listeners[l], outcome));
      }
    }
  }

  GatewayStatus write() {
    GatewayStatus out;
    out.name = gateway_.name;
    out.addresses = all_.bound;
    for (size_t l = 0; l < gateway_.listeners.size(); ++l) {
      out.listeners.push_back(write_listener(l));
      const Condition& accepted = out.listeners.back().conditions.front();
      if (!accepted.is_good()) invalid_.push_back(gateway_.listeners[l].name);
    }
    ConditionList conditions(out.conditions);
    write_accepted(conditions);
    write_programmed(conditions);
    return out;
  }

 private:
  ListenerStatus write_listener(size_t l) const {
    const AttachedListener& attached = attached_.listeners[l];
    ListenerStatus out;
    out.name = gateway_.listeners[l].name;
    out.attached_routes = attached.attached_routes;
    if (attached.takes_tcp_routes) {
      RouteKind kind;
      kind.kind = "TCPRoute";
      out.supported_kinds.push_back(std::move(kind));
    }
    ConditionList conditions(out.conditions);
    write_listener_accepted(l, conditions);
    write_listener_programmed(l, conditions);
    if (attached.resolved_refs == Reason::kResolvedRefs) {
      conditions.good(ConditionType::kResolvedRefs, Reason::kResolvedRefs,
                      "it names nothing that could not be found");
    } else {
      conditions.bad(ConditionType::kResolvedRefs, attached.resolved_refs,
                     attached.resolved_refs_why + "; TCPRoute is the only kind that is served");
    }
    const bool conflicted = attached.conflicted();
    conditions.add(
        ConditionType::kConflicted, conflicted ? ConditionStatus::kTrue : ConditionStatus::kFalse,
        conflicted ? Reason::kProtocolConflict : Reason::kNoConflicts,
        conflicted ? attached.accepted_why : "no other listener wants its port and address");
    return out;
  }

  void write_listener_accepted(size_t l, ConditionList& conditions) const {
    const AttachedListener& attached = attached_.listeners[l];
    if (attached.accepted == Reason::kUnsupportedProtocol) {
      conditions.bad(ConditionType::kAccepted, attached.accepted,
                     attached.accepted_why + "; TCP is the only protocol that is");
    } else if (attached.accepted != Reason::kAccepted) {
      conditions.bad(ConditionType::kAccepted, attached.accepted,
                     attached.accepted_why + "; give one of them another port or address");
    } else if (!bindings_[l].port_why.empty()) {
      conditions.bad(ConditionType::kAccepted, Reason::kPortUnavailable, bindings_[l].port_why);
    } else {
      conditions.good(ConditionType::kAccepted, Reason::kAccepted,
                      attached.active_route
                          ? "it is valid and has a route"
                          : "it is valid, but no route is attached: connections are refused");
    }
  }

  void write_listener_programmed(size_t l, ConditionList& conditions) const {
    constexpr ConditionType kType = ConditionType::kProgrammed;
    const AttachedListener& attached = attached_.listeners[l];
    const Bindings& bindings = bindings_[l];
    const std::string gateway = to_string(gateway_.name);
    if (attached.conflicted()) {
      conditions.bad(kType, Reason::kProtocolConflict, "it is not served: see Conflicted");
    } else if (attached.accepted != Reason::kAccepted || !bindings.port_why.empty()) {
      std::string message = "it is not served: see Accepted";
      if (!bindings.bound.empty()) {
        message = fmt::format("it listens on {} only: see Accepted", join_names(bindings.bound));
      }
      conditions.bad(kType, Reason::kInvalid, std::move(message));
    } else if (!attached_.accepted) {
      conditions.bad(kType, Reason::kInvalid,
                     fmt::format("gateway \"{}\" is not served: see its conditions", gateway));
    } else if (attached_.addresses.empty()) {
      conditions.bad(kType, Reason::kPending,
                     fmt::format("gateway \"{}\" has no address to listen on", gateway));
    } else if (!bindings.tried()) {
      conditions.add(kType, ConditionStatus::kUnknown, Reason::kPending, kNotTried);
    } else if (bindings.bound.empty()) {
      conditions.bad(kType, Reason::kPending,
                     fmt::format("this host does not have {}", join_names(bindings.unusable)));
    } else {
      conditions.good(kType, Reason::kProgrammed,
                      fmt::format("listens on {}", join_names(bindings.bound)));
    }
  }

  void write_accepted(ConditionList& conditions) const {
    const size_t total = gateway_.listeners.size();
    if (attached_.accepted_reason == Reason::kUnsupportedAddress) {
      std::vector<std::string> types;
      for (const GatewayAddress& address : gateway_.addresses) {
        if (address.type != "IPAddress") add_once(types, address.type);
      }
      conditions.bad(
          ConditionType::kAccepted, Reason::kUnsupportedAddress,
          fmt::format("addresses of type {} are not supported: use IPAddress", join_names(types)));
    } else if (invalid_.empty()) {
      conditions.good(ConditionType::kAccepted, Reason::kAccepted,
                      "all of its listeners are valid");
    } else {
      conditions.add(
          ConditionType::kAccepted,
          invalid_.size() < total ? ConditionStatus::kTrue : ConditionStatus::kFalse,
          Reason::kListenersNotValid,
          fmt::format("{} of {} listeners {} not valid: {}; see their conditions", invalid_.size(),
                      total, invalid_.size() == 1 ? "is" : "are", join_names(invalid_)));
    }
  }

  void write_programmed(ConditionList& conditions) const {
    constexpr ConditionType kType = ConditionType::kProgrammed;
    const bool is_accepted = attached_.accepted && invalid_.size() < gateway_.listeners.size();
    if (!is_accepted) {
      conditions.bad(kType, Reason::kInvalid, "it is not served: see Accepted");
    } else if (attached_.address_not_assigned) {
      conditions.bad(kType, Reason::kAddressNotAssigned,
                     "an address has no value, and none can be assigned here: give it one");
    } else if (!all_.unusable.empty()) {
      conditions.bad(kType, Reason::kAddressNotUsable,
                     fmt::format("this host does not have {}: assign it, or take it out",
                                 join_names(all_.unusable)));
    } else if (!all_.tried()) {
      conditions.add(kType, ConditionStatus::kUnknown, Reason::kPending, kNotTried);
    } else {
      conditions.good(kType, Reason::kProgrammed,
                      fmt::format("listens on {}", join_names(all_.bound)));
    }
  }

  static constexpr const char* kNotTried =
      "nobody has tried to listen: `sluice check --bind` does, and so does running it";

  const Gateway& gateway_;
  const AttachedGateway& attached_;
  std::vector<Bindings> bindings_;  // as Gateway::listeners
  Bindings all_;
  std::vector<std::string> invalid_;  // listeners that are not accepted
};

}  // namespace

Fault bind_fault(const Config& config, const BindOutcome& outcome) {
  const Gateway& gateway = config.gateways[outcome.listener.gateway];
  const Listener& listener = gateway.listeners[outcome.listener.listener];
  const std::string who = describe(config, outcome.listener);
  Fault fault;
  fault.severity = Severity::kWarning;
  if (is_about_address(outcome.error)) {
    fault.code = FaultCode::kAddressNotUsable;
    fault.reason = Reason::kAddressNotUsable;
    fault.where = place_of_address(gateway, outcome.address);
    fault.message =
        fmt::format("{} is not bound: this host does not have \"{}\"", who, outcome.address);
  } else {
    fault.code = FaultCode::kPortUnavailable;
    fault.reason = Reason::kPortUnavailable;
    fault.where = listener.where;
    fault.message = fmt::format("{} is not bound: {}", who, explain_port(listener, outcome));
  }
  return fault;
}

void add_gateway_status(const StatusInput& input, Status& out) {
  std::vector<GatewayWriter> writers;
  writers.reserve(input.config.gateways.size());
  for (size_t g = 0; g < input.config.gateways.size(); ++g) writers.emplace_back(input, g);
  if (input.bound != nullptr) {
    for (const BindOutcome& outcome : *input.bound) writers[outcome.listener.gateway].note(outcome);
  }
  for (GatewayWriter& writer : writers) out.gateways.push_back(writer.write());
}

}  // namespace lb::config
