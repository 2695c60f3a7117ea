#include "lb/config/status/reason.h"

namespace lb::config {

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::kNone:
      return "";
    case Reason::kAccepted:
      return "Accepted";
    case Reason::kResolvedRefs:
      return "ResolvedRefs";
    case Reason::kProgrammed:
      return "Programmed";
    case Reason::kInvalid:
      return "Invalid";
    case Reason::kPending:
      return "Pending";
    case Reason::kUnsupportedAddress:
      return "UnsupportedAddress";
    case Reason::kAddressNotAssigned:
      return "AddressNotAssigned";
    case Reason::kAddressNotUsable:
      return "AddressNotUsable";
    case Reason::kListenersNotValid:
      return "ListenersNotValid";
    case Reason::kUnsupportedProtocol:
      return "UnsupportedProtocol";
    case Reason::kInvalidRouteKinds:
      return "InvalidRouteKinds";
    case Reason::kProtocolConflict:
      return "ProtocolConflict";
    case Reason::kNoConflicts:
      return "NoConflicts";
    case Reason::kPortUnavailable:
      return "PortUnavailable";
    case Reason::kNoMatchingParent:
      return "NoMatchingParent";
    case Reason::kNotAllowedByListeners:
      return "NotAllowedByListeners";
    case Reason::kInvalidKind:
      return "InvalidKind";
    case Reason::kRefNotPermitted:
      return "RefNotPermitted";
    case Reason::kBackendNotFound:
      return "BackendNotFound";
    case Reason::kBackendsAvailable:
      return "BackendsAvailable";
    case Reason::kEndpointsNotFound:
      return "EndpointsNotFound";
  }
  return "";
}

}  // namespace lb::config
