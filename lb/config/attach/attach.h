// Attachment and resolution: which route serves which listener, and what every reference comes to.
// The algorithm of the API (GEP-2644) as one pure function over a validated Config; conditions and
// the snapshot are made from its result.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "lb/config/fault.h"
#include "lb/config/model.h"
#include "lb/config/status/reason.h"

namespace lb::config {

// Where a reason is not the good one, the text beside it says why in a sentence.
struct AttachedListener {
  Reason accepted = Reason::kAccepted;  // or kUnsupportedProtocol, kProtocolConflict
  std::string accepted_why;
  Reason resolved_refs = Reason::kResolvedRefs;  // or kInvalidRouteKinds
  std::string resolved_refs_why;                 // all that is wrong, "; " between
  bool takes_tcp_routes = false;                 // supportedKinds is [TCPRoute], else []
  size_t attached_routes = 0;  // all that are accepted here, the superseded ones too
  std::optional<size_t>
      active_route;  // index into Config::tcp_routes; absent = refuse every connection

  bool conflicted() const { return accepted == Reason::kProtocolConflict; }
};

struct AttachedGateway {
  // kAccepted; kListenersNotValid, when some listeners are not accepted; kUnsupportedAddress.
  Reason accepted_reason = Reason::kAccepted;
  bool accepted = true;
  // What its listeners bind, each value once. "::" is both families and stands for a gateway
  // without addresses; "0.0.0.0" is IPv4 only. Empty = nothing can be bound (unsupported or
  // unassigned addresses).
  std::vector<std::string> addresses;
  bool address_not_assigned =
      false;  // an address without a value: Programmed=False/AddressNotAssigned
  std::vector<AttachedListener> listeners;  // as Gateway::listeners

  // Whether the process is to serve this listener; without an active route it refuses every
  // connection.
  bool serves(size_t listener) const {
    return accepted && !addresses.empty() && listeners[listener].accepted == Reason::kAccepted;
  }
};

struct ListenerIndex {
  size_t gateway = 0;   // into Config::gateways
  size_t listener = 0;  // into Gateway::listeners

  friend bool operator==(const ListenerIndex&, const ListenerIndex&) = default;
};

struct AttachedParent {
  Reason accepted = Reason::kAccepted;  // or kNoMatchingParent, kNotAllowedByListeners
  std::string accepted_why;
  std::vector<ListenerIndex> listeners;  // those it is attached to
};

// What a backendRef comes to. Anything but usable() keeps its weight and refuses its share of the
// connections; what is resolved() does so until an operator makes an endpoint usable.
struct ResolvedBackend {
  // kResolvedRefs, kEndpointsNotFound (resolved, but nobody there), or kInvalidKind,
  // kRefNotPermitted, kBackendNotFound, kUnsupportedProtocol.
  Reason reason = Reason::kResolvedRefs;
  size_t service = 0;  // index into Config::services; only when resolved()
  size_t port = 0;     // index into Service::ports; only when resolved()
  std::string why{};

  bool resolved() const {
    return reason == Reason::kResolvedRefs || reason == Reason::kEndpointsNotFound;
  }
  bool usable() const { return reason == Reason::kResolvedRefs; }
};

struct AttachedRoute {
  std::vector<AttachedParent> parents;    // as Route::parent_refs
  std::vector<ResolvedBackend> backends;  // as the backend_refs of its rule
};

struct Attachment {
  std::vector<AttachedGateway> gateways;  // as Config::gateways
  std::vector<AttachedRoute> tcp_routes;  // as Config::tcp_routes
  std::vector<AttachedRoute> tls_routes;  // as Config::tls_routes; none is accepted anywhere
  std::vector<Fault> findings;  // class B and advice, all warnings; locate() them before printing
};

// Pure: the same Config gives the same Attachment. Says nothing about what only binding a socket
// can tell.
Attachment attach(const Config& config);

}  // namespace lb::config
