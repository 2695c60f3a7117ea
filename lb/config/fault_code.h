// The stable numbers of all faults. A number is never reused for something else: scripts and
// `explain` know them. 01xx: the text and single values. 02xx: objects among each other. Both
// refuse the file. 03xx: it loads, but.
#pragma once

#include <cstdint>

namespace lb::config {

enum class FaultCode : uint16_t {
  kSyntax = 101,
  kUnreadable = 102,
  kTooLarge = 103,
  kNotText = 104,
  kUnknownKey = 105,
  kWrongType = 106,
  kMissingKey = 107,
  kNotSupported = 108,  // a key of the contract that this version does not serve
  kBadChoice = 109,
  kOutOfRange = 110,
  kBadDuration = 111,
  kBadQuantity = 112,
  kBadName = 113,
  kBadCount = 114,
  kBadTimestamp = 115,
  kBadAddress = 116,
  kBadPath = 117,
  kBadInclude = 118,
  kBadPayload = 119,  // bytes that a check sends or expects

  kServesNothing = 201,
  kDuplicateObject = 202,
  kDuplicateListenerName = 203,
  kDuplicatePort = 204,
  kForbiddenKey = 205,  // hostname or tls on a listener whose protocol has neither
  kDuplicateAddress = 206,
  kParentRefsNotDistinct = 207,
  kMissingPort = 208,  // a backendRef to a Service
  kAddressOrPath = 209,
  kDuplicateEndpoint = 210,
  kDuplicateServicePort = 211,
  kDuplicateKey = 212,  // of a table, in two files
  kBadSelector = 213,
  kReservedLabel = 214,
  kConflictingKeys = 215,  // two of one table, or one of them and another's value

  kUnsupportedAddress = 301,
  kAddressNotAssigned = 302,
  kUnsupportedProtocol = 303,
  kInvalidRouteKinds = 304,
  kProtocolConflict = 305,
  kNoMatchingParent = 306,
  kNotAllowedByListeners = 307,
  kInvalidKind = 308,
  kRefNotPermitted = 309,
  kBackendNotFound = 310,
  kUnsupportedBackendProtocol = 311,
  kEndpointsNotFound = 312,
  kAllWeightsZero = 313,
  kSuperseded = 314,
  kLoop = 315,
  kUnused = 316,
  kListenerWithoutRoute = 317,
  kEmptyInclude = 318,
  kEndpointsFileNotTaken = 319,
  // Found by binding.
  kPortUnavailable = 320,
  kAddressNotUsable = 321,
  kNoEffect = 322,  // a key that changes nothing beside the others
  kDoubtful = 323,  // values that hardly go together
};

}  // namespace lb::config
