// Why a connection ended: the one list that the access log, the metrics and the operator share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace lb::proxy {

// X(name, word, how the sockets are closed). FIN is for ends that a peer may take for a normal one;
// everything that truncates or refuses is a RST.
#define LB_CLOSE_REASONS(X)                        \
  X(kClientFin, "client_fin", kFin)                \
  X(kServerFin, "server_fin", kFin)                \
  X(kClientReset, "client_reset", kReset)          \
  X(kServerReset, "server_reset", kReset)          \
  X(kConnectRefused, "connect_refused", kReset)    \
  X(kConnectTimeout, "connect_timeout", kReset)    \
  X(kConnectFailed, "connect_failed", kReset)      \
  X(kNoRoute, "no_route", kReset)                  \
  X(kNoBackend, "no_backend", kReset)              \
  X(kAllWeightsZero, "all_weights_zero", kReset)   \
  X(kIdleTimeout, "idle_timeout", kFin)            \
  X(kHalfCloseTimeout, "half_close_timeout", kFin) \
  X(kMaxDuration, "max_duration", kFin)            \
  X(kLimitProcess, "limit_process", kReset)        \
  X(kLimitListener, "limit_listener", kReset)      \
  X(kLimitSource, "limit_source", kReset)          \
  X(kLimitEndpoint, "limit_endpoint", kReset)      \
  X(kDenied, "denied", kReset)                     \
  X(kProxyHeader, "proxy_header", kReset)          \
  X(kTLSHello, "tls_hello", kReset)                \
  X(kDrained, "drained", kReset)                   \
  X(kKilled, "killed", kReset)                     \
  X(kEndpointDown, "endpoint_down", kReset)        \
  X(kEndpointRemoved, "endpoint_removed", kReset)  \
  X(kOutOfResources, "out_of_resources", kReset)   \
  X(kInternalError, "internal_error", kReset)

enum class CloseReason : uint8_t {
#define LB_X(name, word, mode) name,
  LB_CLOSE_REASONS(LB_X)
#undef LB_X
};

// How many there are, for tables with a place for each.
inline constexpr size_t kCloseReasons =
    std::initializer_list<CloseReason>{
#define LB_X(name, word, mode) CloseReason::name,
        LB_CLOSE_REASONS(LB_X)
#undef LB_X
    }
        .size();

// Where in its life a connection was when it ended.
enum class ClosePlace : uint8_t { kAccept, kConnect, kData };

// "client_fin".
std::string_view to_string(CloseReason reason);
// "accept", "connect", "data".
std::string_view to_string(ClosePlace place);

// Whether both sides are told with RST rather than FIN.
bool closes_with_reset(CloseReason reason);

}  // namespace lb::proxy
