// The Gateway API's reasons, spelled as in its conditions, and the few of ours that it has no word
// for.
#pragma once

#include <cstdint>
#include <string_view>

namespace lb::config {

enum class Reason : uint8_t {
  kNone,
  kAccepted,
  kResolvedRefs,
  // of a gateway or a listener
  kProgrammed,
  kInvalid,
  kPending,
  // of a gateway
  kUnsupportedAddress,
  kAddressNotAssigned,
  kAddressNotUsable,
  kListenersNotValid,
  // of a listener (kUnsupportedProtocol is also a backend's)
  kUnsupportedProtocol,
  kInvalidRouteKinds,
  kProtocolConflict,
  kNoConflicts,
  kPortUnavailable,
  // of a route and one of its parents
  kNoMatchingParent,
  kNotAllowedByListeners,
  // of a backendRef
  kInvalidKind,
  kRefNotPermitted,
  kBackendNotFound,
  kBackendsAvailable,
  kEndpointsNotFound,  // Envoy Gateway's word: the reference resolves, but nobody is there to
                       // answer
};

// "BackendNotFound"; "" for kNone.
std::string_view to_string(Reason reason);

}  // namespace lb::config
